//! Creation of forms.

use chrono::{DateTime, Utc};
use server_shared::value::Moment;
use uuid::Uuid;

use super::{
    document::FormDocument,
    error::FormError,
    event::FormEvent,
    model::{CreateForm, Form, FormHistoryKind, FormStatus, FormSummary},
    repository::{self, ChangeRow, NewRow},
    row::FormRow,
    service::{OpenForm, Service},
    version::LatestVersion,
};
use crate::{
    audit::Audit,
    database::{Disclosed, Sealed},
    domain::rules::{FieldFaults, InvalidValue, too_far},
    encryption::Holder,
    event::Events,
    identity::{Caller, Role},
    ids::{OrganizationId, PatientId},
};

/// Pointer of the patient in the body.
const PATIENT: &str = "/patient_id";

impl Service {
    /// Creates a form of the last version of a template, with its first answers.
    pub(super) async fn create(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        input: &CreateForm,
    ) -> Result<Disclosed<Form>, FormError> {
        let due_at = input.due_at.map(Moment::get);
        let patient = checked(caller, input.patient_id, due_at)?;
        let mut tx = self.database.write(caller).await?;
        let template = input.form_template_id;
        let LatestVersion { number, name, version } = self.versions.latest(&mut tx, organization, template).await?;
        let held = repository::patient_key(&mut tx, organization, patient).await?.ok_or_else(unknown_patient)?;
        let key = self.encryption.open(Holder::Record { organization, id: held.data_key_id }, &held.wrapped)?;
        let (answers, prefilled) = self.prefilled(&mut tx, caller, organization, patient, &version).await?;
        let language = input.language.as_ref().unwrap_or(&version.content.definition.language).as_str().to_owned();
        let document = FormDocument::begun(answers, prefilled);
        let uid = Uuid::now_v7();
        let sealed = document.seal(uid, &key)?;
        let row = NewRow {
            uid,
            patient,
            data_key_id: held.data_key_id,
            template,
            template_version: number,
            name: &name,
            language: &language,
            due_at,
            document: &sealed,
        };
        let created = repository::form_create(&mut tx, organization, &row).await?.ok_or_else(unknown_patient)?;
        let fields: Vec<String> = document.changed_in.keys().cloned().collect();
        let change = ChangeRow {
            form_id: created.id,
            form_version: 1,
            kind: FormHistoryKind::Created,
            fields: &fields,
            form_template_version: number,
        };
        repository::change_insert(&mut tx, organization, &change).await?;
        let summary = FormSummary {
            id: created.id,
            uid,
            patient_id: patient,
            appointment_id: None,
            form_template_id: template,
            form_template_version: number,
            name,
            status: FormStatus::Draft,
            version: 1,
            language,
            due_at,
            overdue_at: None,
            amends_id: None,
            amended_by_id: None,
            content_hash: None,
            created_by_user_id: created.created_by_user_id,
            created_at: created.created_at,
            updated_at: created.created_at,
            submitted_at: None,
            signed_at: None,
            voided_at: None,
        };
        let row = FormRow {
            summary,
            data_key_id: held.data_key_id,
            wrapped: Some(held.wrapped),
            document_encrypted: Some(sealed),
            content_encrypted: None,
            void_reason_encrypted: None,
            void_uid: None,
        };
        let open = OpenForm { row, key, document, version, signatures: Vec::new(), content: None };
        let events = |form: &Form| {
            let created = Events::from(FormEvent::Created(form.summary.id));
            // The first answers are taken from the patient's record and profile.
            if form.prefilled.is_empty() { created } else { created.disclosing(Audit::read([&patient])) }
        };
        Ok(tx.commit_sealed(Sealed::new(open.shown(None, true)?), events).await?)
    }
}

/// Checks the values of a request together, and returns the patient: a caller who is a patient itself, if the body
/// names nobody.
fn checked(
    caller: &Caller,
    named: Option<PatientId>,
    due_at: Option<DateTime<Utc>>,
) -> Result<PatientId, InvalidValue> {
    let mut faults = FieldFaults::default();
    if let Some(fault) = due_at.and_then(|due_at| too_far("/due_at", due_at, Utc::now())) {
        faults.push(fault);
    }
    let own = caller.patient_id().filter(|_| caller.role() == Some(Role::Patient));
    match (named, own) {
        (None, None) => faults.add(PATIENT, "required", "is required: the patient whom the form is about"),
        (Some(named), Some(own)) if named != own => {
            faults.add(PATIENT, "not_own", "must be you: patients create forms only about themselves");
        }
        _ => {}
    }
    faults.check()?;
    named.or(own).ok_or_else(unknown_patient)
}

/// Returns the error of a patient whom the caller does not see.
fn unknown_patient() -> InvalidValue {
    InvalidValue::new(PATIENT, "unknown_reference", "is no patient of this organization whom you see")
}
