use chrono::{DateTime, Utc};

use super::super::{create::NewForm, error::FormError, event::FormEvent, service::Service};
use crate::{
    database::WriteTx,
    identity::Caller,
    ids::{AppointmentId, FormId, FormTemplateId, OrganizationId, PatientId},
};

/// Appointment that forms are created for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visit {
    pub(crate) appointment: AppointmentId,
    pub(crate) patient: PatientId,
    pub(crate) started_at: DateTime<Utc>,
}

impl Service {
    /// Creates a form of each template for an appointment, due when it begins. The caller has locked the appointment,
    /// which has no form of these templates yet. Returns the ids and events of the forms in the order of the templates.
    pub(crate) async fn attach(
        &self,
        tx: &mut WriteTx,
        caller: &Caller,
        organization: OrganizationId,
        visit: &Visit,
        templates: &[FormTemplateId],
    ) -> Result<(Vec<FormId>, Vec<FormEvent>), FormError> {
        // A form of an appointment that has begun would be overdue from the first moment on.
        let due_at = Some(visit.started_at).filter(|started_at| *started_at > Utc::now());
        let (mut ids, mut events) = (Vec::with_capacity(templates.len()), Vec::with_capacity(templates.len()));
        for template in templates {
            let new = NewForm {
                template: *template,
                patient: visit.patient,
                language: None,
                due_at,
                due_with_appointment: true,
                appointment_id: Some(visit.appointment),
                amends: None,
            };
            let (form, event) = self.create_in(tx, caller, organization, new).await?;
            ids.push(form.form.id);
            events.push(event);
        }
        Ok((ids, events))
    }
}
