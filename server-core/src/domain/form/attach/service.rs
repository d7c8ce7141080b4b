use std::sync::Arc;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    super::{
        document::FormDocument, error::FormError, event::FormEvent, repository as forms, service::Service,
        version::TemplateVersion,
    },
    repository::{self, AttachedRow, Common},
};
use crate::{
    database::{DatabaseError, WriteTx},
    domain::patient::absent,
    encryption::Holder,
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

/// Form template with the version that new forms ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublishedTemplate {
    pub(crate) id: FormTemplateId,
    pub(crate) name: String,
    /// Number of the version, from 1.
    pub(crate) version: i32,
}

impl Service {
    /// Creates a form of each template for an appointment, due when it begins, with its first answers. The caller has
    /// locked the appointment, which has no form of these templates yet. Returns the ids and events of the forms in the
    /// order of the templates. The number of statements does not depend on the number of forms.
    pub(crate) async fn attach(
        &self,
        tx: &mut WriteTx,
        caller: &Caller,
        organization: OrganizationId,
        visit: &Visit,
        templates: &[PublishedTemplate],
    ) -> Result<(Vec<FormId>, Vec<FormEvent>), FormError> {
        if templates.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let Some(held) = forms::patient_key(tx, organization, visit.patient).await? else {
            return Err(absent(tx, visit.patient).await.into());
        };
        let key = self.encryption.open(Holder::Record { organization, id: held.data_key_id }, &held.wrapped)?;
        let asked = templates.iter().map(|template| (template.id, template.version));
        let versions = self.versions.all(tx, organization, asked).await?;
        let asked = templates.iter().map(|template| {
            let PublishedTemplate { id, version, .. } = template;
            let missing = || DatabaseError::Damaged(format!("form template {id} has no version {version}"));
            versions.get(&(*id, *version)).map(Arc::as_ref).ok_or_else(missing)
        });
        let asked: Vec<&TemplateVersion> = asked.collect::<Result<_, _>>()?;
        let prefilled = self.prefilled_all(tx, caller, organization, visit.patient, &asked).await?;
        let mut rows = Vec::with_capacity(templates.len());
        for ((template, version), (answers, prefilled)) in templates.iter().zip(asked).zip(prefilled) {
            let document = FormDocument::begun(answers, prefilled);
            let uid = Uuid::now_v7();
            rows.push(AttachedRow {
                uid,
                template: template.id,
                template_version: template.version,
                name: &template.name,
                language: version.content.definition.language.as_str(),
                document: document.seal(uid, &key)?,
                fields: document.changed_in.keys().cloned().collect(),
            });
        }
        let common = Common {
            organization,
            patient: visit.patient,
            data_key_id: held.data_key_id,
            appointment: visit.appointment,
            // A form of an appointment that has begun would be overdue from the first moment on.
            due_at: Some(visit.started_at).filter(|started_at| *started_at > Utc::now()),
        };
        let ids = repository::forms_create(tx, common, &rows).await?;
        let events = ids.iter().copied().map(FormEvent::Created).collect();
        Ok((ids, events))
    }
}
