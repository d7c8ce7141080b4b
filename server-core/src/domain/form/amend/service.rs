use std::collections::BTreeMap;

use chrono::Utc;
use uuid::Uuid;

use super::{
    super::{
        document::{FilledFrom, FormDocument},
        error::FormError,
        event::FormEvent,
        model::{Form, FormHistoryKind, FormStatus},
        repository::{self as forms, ChangeRow},
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
        let origin = FilledFrom { patient: None, profile: None, form_id: Some(id), at: Utc::now() };
        let answers = open.document.answers;
        let prefilled: BTreeMap<_, _> = answers.keys().map(|key| (key.clone(), origin.clone())).collect();
        let document = FormDocument::begun(answers, prefilled);
        let uid = Uuid::now_v7();
        let sealed = document.seal(uid, &open.key)?;
        let amendment = repository::amendment_create(&mut tx, id, uid, &sealed).await?.ok_or(FormError::Erased)?;
        let fields: Vec<String> = document.changed_in.into_keys().collect();
        let change = ChangeRow {
            form_id: amendment,
            form_version: 1,
            kind: FormHistoryKind::Created,
            fields: &fields,
            form_template_version: open.row.summary.form_template_version,
        };
        forms::change_insert(&mut tx, organization, &change).await?;
        repository::appointment_pass(&mut tx, organization, id, amendment).await?;
        let row = forms::form_get(&mut tx, amendment).await?.ok_or(FormError::NotFound)?;
        let form = self.opened(&mut tx, organization, row).await?.shown(None, true)?;
        let events = Events::from(FormEvent::Amended(id)).and([FormEvent::Created(amendment)]);
        Ok(tx.commit_sealed(Sealed::new(form), |_| events).await?)
    }
}

/// Refuses a form that can't be amended.
fn check(row: &FormRow) -> Result<(), FormError> {
    match (row.summary.status, row.summary.amended_by_id) {
        (FormStatus::Void, _) => Err(FormError::Void),
        (FormStatus::Draft | FormStatus::Submitted | FormStatus::PartlySigned, _) => Err(FormError::NotSigned),
        (FormStatus::Signed, Some(amended_by_id)) => Err(FormError::Amended { amended_by_id }),
        (FormStatus::Signed, None) => Ok(()),
    }
}
