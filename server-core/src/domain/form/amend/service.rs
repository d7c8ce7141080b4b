use std::{collections::BTreeMap, sync::Arc};

use chrono::Utc;
use uuid::Uuid;

use super::{
    super::{
        document::{FilledFrom, FormDocument},
        error::FormError,
        event::FormEvent,
        model::{Form, FormStatus},
        row::FormRow,
        service::{OpenForm, Service},
    },
    repository::{self, AmendingRow},
};
use crate::{
    database::{Disclosed, Sealed},
    domain::rules::StaleVersion,
    event::Events,
    identity::Caller,
    ids::{AppointmentId, FormId, OrganizationId, UserId},
};

impl Service {
    /// Creates a form that corrects a signed one: a draft with its answers.
    pub(in crate::domain::form) async fn amend(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: FormId,
        version: i64,
    ) -> Result<Disclosed<Form>, FormError> {
        let mut tx = self.database.write(caller).await?;
        let open = self.locked(&mut tx, organization, id, version).await?;
        check(&open.row)?;
        let (uid, document) = (Uuid::now_v7(), beginning(&open));
        let sealed = document.seal(uid, &open.key)?;
        let Some(new) = repository::form_amend(&mut tx, id, uid, &sealed).await? else {
            // The one that this one has waited for came first.
            check(&self.locked(&mut tx, organization, id, version).await?.row)?;
            return Err(StaleVersion::now(version).into());
        };
        let places: Vec<String> = document.changed_in.keys().cloned().collect();
        let appointment = repository::amendment_settle(&mut tx, id, new.id, &places).await?;
        let amendment = new.id;
        let amending = OpenForm {
            row: row(&open.row, &new, (uid, sealed), appointment, caller.user_id),
            key: open.key.clone(),
            document,
            version: Arc::clone(&open.version),
            signatures: Vec::new(),
            content: None,
        };
        let form = self.shown(&amending, None, true)?;
        let events = Events::from(FormEvent::Amended(id)).and([FormEvent::Created(amendment)]);
        Ok(tx.commit_sealed(Sealed::new(form), |_| events).await?)
    }
}

/// Refuses a form that can't be amended.
fn check(row: &FormRow) -> Result<(), FormError> {
    if let Some(other) = row.amended_by_id {
        return Err(FormError::Amended { amended_by_id: other });
    }
    match row.status {
        FormStatus::Signed => Ok(()),
        FormStatus::Void => Err(FormError::Void),
        FormStatus::Draft | FormStatus::Submitted | FormStatus::PartlySigned => Err(FormError::NotSigned),
    }
}

/// Returns the document that the amendment begins with: the signed answers, with the form as their origin.
fn beginning(open: &OpenForm) -> FormDocument {
    let source = FilledFrom { patient: None, profile: None, form_id: Some(open.row.id.0), at: Utc::now() };
    let answers = open.document.answers.clone();
    let prefilled: BTreeMap<String, FilledFrom> = answers.keys().map(|key| (key.clone(), source.clone())).collect();
    FormDocument::begun(answers, prefilled)
}

/// Returns the row of an amendment, whose values that the database makes are in `new`.
fn row(
    amended: &FormRow,
    new: &AmendingRow,
    (uid, document): (Uuid, Vec<u8>),
    appointment_id: Option<AppointmentId>,
    created_by_user_id: Option<UserId>,
) -> FormRow {
    FormRow {
        id: new.id,
        uid,
        appointment_id,
        status: FormStatus::Draft,
        version: 1,
        due_at: None,
        overdue_at: None,
        amends_id: Some(amended.id),
        amended_by_id: None,
        content_hash: None,
        created_by_user_id,
        created_at: new.created_at,
        updated_at: new.created_at,
        submitted_at: None,
        signed_at: None,
        voided_at: None,
        document_encrypted: Some(document),
        content_encrypted: None,
        void_reason_encrypted: None,
        void_uid: None,
        ..amended.clone()
    }
}
