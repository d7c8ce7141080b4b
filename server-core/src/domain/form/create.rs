//! Creation of forms.

use chrono::{DateTime, TimeDelta, Utc};
use server_shared::value::{LanguageTag, Moment};
use uuid::Uuid;

use super::{
    document::FormDocument,
    error::FormError,
    event::FormEvent,
    model::{CreateForm, Form, FormChangeKind, FormStatus},
    repository::{self, ChangeRow, NewRow},
    row::FormRow,
    service::{OpenForm, Service},
    version::LatestVersion,
};
use crate::{
    audit::Audit,
    database::{Disclosed, Sealed, WriteTx},
    domain::{
        patient::{PatientError, absent},
        rules::InvalidValue,
    },
    encryption::Holder,
    event::Events,
    identity::{Caller, Role},
    ids::{AppointmentId, FormTemplateId, OrganizationId, PatientId},
};

/// Largest distance of the time until which a form is due from now. A larger one is regarded as a typing error.
const FURTHEST: TimeDelta = TimeDelta::days(366 * 10);

/// Form to be created.
pub(super) struct NewForm {
    /// Template, whose last published version is used.
    pub(super) template: FormTemplateId,
    /// Patient whom the form is about.
    pub(super) patient: PatientId,
    /// Language in which the form is filled in; `None` for the template's own.
    pub(super) language: Option<LanguageTag>,
    /// Time until which the form should be submitted.
    pub(super) due_at: Option<DateTime<Utc>>,
    /// `true` if it is due when its appointment begins: then `due_at` follows the appointment.
    pub(super) due_with_appointment: bool,
    /// Appointment that the form belongs to, which has no form of the template yet.
    pub(super) appointment_id: Option<AppointmentId>,
}

impl Service {
    pub(super) async fn create(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        input: &CreateForm,
    ) -> Result<Disclosed<Form>, FormError> {
        let patient = patient_of(caller, input.patient_id)?;
        let due_at = input.due_at.map(Moment::get);
        if due_at.is_some_and(|due_at| (due_at - Utc::now()).abs() > FURTHEST) {
            return Err(InvalidValue::new("/due_at", "range", "must be within ten years of now").into());
        }
        let new = NewForm {
            template: input.form_template_id,
            patient,
            language: input.language.clone(),
            due_at,
            due_with_appointment: false,
            appointment_id: None,
        };
        let mut tx = self.database.write(caller).await?;
        let (form, event) = self.create_in(&mut tx, caller, organization, new).await?;
        let events = |form: &Form| {
            let created = Events::from(event);
            // What it begins with is the patient's.
            if form.prefilled.is_empty() { created } else { created.disclosing(Audit::read([&patient])) }
        };
        Ok(tx.commit_sealed(Sealed::new(form), events).await?)
    }

    /// Creates a form within a write, with its first answers. Returns it with its definition, and the event for the
    /// commit.
    pub(super) async fn create_in(
        &self,
        tx: &mut WriteTx,
        caller: &Caller,
        organization: OrganizationId,
        new: NewForm,
    ) -> Result<(Form, FormEvent), FormError> {
        let NewForm { template, patient, language, due_at, due_with_appointment, appointment_id } = new;
        let LatestVersion { number, name, version } = self.versions.latest(tx, organization, template).await?;
        let Some(held) = repository::patient_key(tx, organization, patient).await? else {
            return Err(absent(tx, patient).await.into());
        };
        let key = self.encryption.open(Holder::Record { organization, id: held.data_key_id }, &held.wrapped)?;
        let (answers, prefilled) = self.prefilled(tx, caller, organization, patient, &version).await?;
        let language = language.unwrap_or_else(|| version.content.definition.language.clone());
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
            language: language.as_str(),
            due_at,
            due_with_appointment,
            document: &sealed,
        };
        let created = repository::form_create(tx, organization, &row).await?.ok_or(PatientError::NotFound)?;
        let fields: Vec<String> = document.changed_in.keys().cloned().collect();
        let change = ChangeRow {
            form_id: created.id,
            form_version: 1,
            kind: FormChangeKind::Created,
            fields: &fields,
            form_template_version: number,
        };
        repository::change_insert(tx, organization, &change).await?;
        if let Some(appointment) = appointment_id {
            repository::appointment_link(tx, organization, (created.id, template), appointment).await?;
        }
        let row = FormRow {
            id: created.id,
            uid,
            patient_id: patient,
            appointment_id,
            form_template_id: template,
            form_template_version: number,
            name,
            status: FormStatus::Draft,
            version: 1,
            language: language.as_str().to_owned(),
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
            data_key_id: held.data_key_id,
            wrapped: Some(held.wrapped),
            document_encrypted: Some(sealed),
            content_encrypted: None,
            void_reason_encrypted: None,
            void_uid: None,
        };
        let open = OpenForm { row, key, document, version, signatures: Vec::new(), content: None };
        Ok((open.shown(None, true)?, FormEvent::Created(created.id)))
    }
}

/// Returns the patient whom a form is about: of a caller who is a patient, itself, if the body names nobody.
fn patient_of(caller: &Caller, named: Option<PatientId>) -> Result<PatientId, InvalidValue> {
    let own = caller.patient_id().filter(|_| caller.role() == Some(Role::Patient));
    let message = "is required: the patient whom the form is about";
    named.or(own).ok_or_else(|| InvalidValue::new("/patient_id", "required", message))
}
