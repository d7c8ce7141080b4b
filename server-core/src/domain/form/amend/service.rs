use server_shared::value::LanguageTag;

use super::{
    super::{
        create::{Amends, NewForm},
        error::FormError,
        event::FormEvent,
        model::{Form, FormStatus},
        row::FormRow,
        service::Service,
    },
    repository,
};
use crate::{
    database::{Disclosed, Sealed},
    event::Events,
    identity::Caller,
    ids::{FormId, OrganizationId},
};

impl Service {
    /// Creates a form that corrects a signed one: a draft with its answers, which takes its place in the appointment.
    pub(in crate::domain::form) async fn amend(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: FormId,
        version: i64,
    ) -> Result<Disclosed<Form>, FormError> {
        let mut tx = self.begin(caller, id).await?;
        let open = self.locked(&mut tx, organization, id, version).await?;
        check(&open.row)?;
        let new = NewForm {
            template: open.row.form_template_id,
            patient: open.row.patient_id,
            language: LanguageTag::parse(&open.row.language),
            due_at: None,
            due_with_appointment: false,
            appointment_id: repository::appointment_leave(&mut tx, organization, id).await?,
            amends: Some(Amends::of(&open)),
        };
        let (form, created) = self.create_in(&mut tx, caller, organization, new).await?;
        let events = Events::from(FormEvent::Amended(id)).and([created]);
        Ok(tx.commit_sealed(Sealed::new(form), |_| events).await?)
    }
}

/// Refuses a form that can't be amended.
fn check(row: &FormRow) -> Result<(), FormError> {
    match (row.status, row.amended_by_id) {
        (FormStatus::Void, _) => Err(FormError::Void),
        (FormStatus::Draft | FormStatus::Submitted | FormStatus::PartlySigned, _) => Err(FormError::NotSigned),
        (FormStatus::Signed, Some(amended_by_id)) => Err(FormError::Amended { amended_by_id }),
        (FormStatus::Signed, None) => Ok(()),
    }
}
