//! First answers of a form, taken from the patient's record and profile.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use server_shared::{
    mark::Phi,
    value::{Key, Line},
};

use super::{
    document::FilledFrom,
    error::FormError,
    model::{FormPrefilled, PrefilledValue},
    service::Service,
    version::TemplateVersion,
};
use crate::{
    audit::Audit,
    database::{DatabaseError, Disclosed, Sealed, Tx},
    domain::{
        field::{FieldDefinition, FieldValue},
        form_definition::{FormPrefill, PatientAttribute},
        patient::{Patient, absent},
        profile::PresentValue,
    },
    identity::{Caller, Permission},
    ids::{FormTemplateId, OrganizationId, PatientId},
};

/// Answers in the form of `Compiled::write`, and their origins, both by the keys of fields.
pub(super) type Prefilled = (Map<String, Value>, BTreeMap<String, FilledFrom>);

/// Field of a form that has a first answer.
struct Source<'v> {
    key: &'v Key,
    from: &'v FormPrefill,
    /// Definition of the form's field, which the answer has to meet.
    field: &'v FieldDefinition,
}

impl Service {
    /// Returns the first answers of a form that `caller` creates: values of the patient's record, and of those custom
    /// fields in the patient's profile that the caller's role reads. An API key that does not read patients takes none.
    ///
    /// A value is left out if the form's field does not accept it, is less protected than the value is now, or has
    /// another unit. The transaction has to disclose the answers.
    pub(super) async fn prefilled(
        &self,
        tx: &mut impl Tx,
        caller: &Caller,
        organization: OrganizationId,
        patient: PatientId,
        version: &TemplateVersion,
    ) -> Result<Prefilled, DatabaseError> {
        let sources = sources(version);
        if sources.is_empty() || caller.may(Permission::PatientRead).is_err() {
            return Ok(Prefilled::default());
        }
        let record = if sources.iter().any(|source| source.from.patient.is_some()) {
            self.patients.record(tx, organization, patient).await?
        } else {
            None
        };
        self.first_answers(tx, caller, organization, patient, &sources, record.as_ref()).await
    }

    /// Returns the answers that a form about a patient would begin with, if the caller created it now.
    pub(super) async fn prefill(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        patient: PatientId,
        template: FormTemplateId,
    ) -> Result<Disclosed<FormPrefilled>, FormError> {
        let mut tx = self.database.disclose(caller).await?;
        let Some(record) = self.patients.record(&mut tx, organization, patient).await? else {
            return Err(absent(&mut tx, patient).await.into());
        };
        let latest = self.versions.latest(&mut tx, organization, template).await?;
        let sources = sources(&latest.version);
        let (answers, origins) =
            self.first_answers(&mut tx, caller, organization, patient, &sources, Some(&record)).await?;
        let mut values = BTreeMap::new();
        for (key, source) in origins {
            if let Some(value) = answers.get(&key).cloned() {
                values.insert(key, PrefilledValue { value: Phi::from(value), source });
            }
        }
        let prefilled = FormPrefilled { form_template_version: latest.number, values };
        Ok(tx.disclose(Sealed::new(prefilled), |_| Audit::read([&patient])).await?)
    }

    /// Takes the answers from a record that is read already, and from the profile, which is read if a source is there.
    async fn first_answers(
        &self,
        tx: &mut impl Tx,
        caller: &Caller,
        organization: OrganizationId,
        patient: PatientId,
        sources: &[Source<'_>],
        record: Option<&Patient>,
    ) -> Result<Prefilled, DatabaseError> {
        let keys: BTreeSet<&str> =
            sources.iter().filter_map(|source| source.from.profile.as_ref()).map(Key::as_str).collect();
        let profile = if keys.is_empty() {
            BTreeMap::new()
        } else {
            self.profiles.present_values(tx, caller, organization, patient, &keys).await?
        };
        let now = Utc::now();
        let (mut answers, mut origins) = Prefilled::default();
        for source in sources {
            if let Some((value, origin)) = source.answer(record, &profile, now) {
                answers.insert(source.key.as_str().to_owned(), value.to_json());
                origins.insert(source.key.as_str().to_owned(), origin);
            }
        }
        Ok((answers, origins))
    }
}

/// Returns the fields that have a source, in their order.
fn sources(version: &TemplateVersion) -> Vec<Source<'_>> {
    let items = version.content.definition.sections.iter().flat_map(|section| &section.items);
    items
        .filter_map(|item| {
            let from = item.field.as_ref()?.prefill.as_ref()?;
            Some(Source { key: &item.key, from, field: version.compiled.field(&item.key)? })
        })
        .collect()
}

impl Source<'_> {
    /// Returns the answer with its origin, as of `at`; `None` if there is no value that the field takes.
    fn answer(
        &self,
        record: Option<&Patient>,
        profile: &BTreeMap<String, PresentValue>,
        at: DateTime<Utc>,
    ) -> Option<(FieldValue, FilledFrom)> {
        let nowhere = FilledFrom { patient: None, profile: None, form_id: None, at };
        let (value, origin) = match (self.from.patient, &self.from.profile) {
            (Some(attribute), None) => {
                // The record is protected.
                let (name, value) = attribute_of(record.filter(|_| self.field.phi)?, attribute);
                (value?, FilledFrom { patient: Some(name.to_owned()), ..nowhere })
            }
            (None, Some(key)) => {
                let present = profile.get(key.as_str()).filter(|present| self.takes(present))?;
                (present.value.to_json(), FilledFrom { profile: Some(key.as_str().to_owned()), ..nowhere })
            }
            _ => return None,
        };
        // A field that would refuse the value begins without an answer.
        Some((self.field.parse(&value, "", None).ok()?, origin))
    }

    /// Returns `true` if the field protects a value of the profile as its own field does now, and reads it alike.
    fn takes(&self, present: &PresentValue) -> bool {
        let unit = self.field.unit.as_ref().map(Line::as_str);
        (self.field.phi || !present.phi)
            && self.field.field_type == present.field_type
            && present.unit.as_deref() == unit
    }
}

/// Returns the name of an attribute, and its value.
fn attribute_of(record: &Patient, attribute: PatientAttribute) -> (&'static str, Option<Value>) {
    let text = |value: Option<&Phi<String>>| value.map(|value| Value::from(value.get().as_str()));
    match attribute {
        PatientAttribute::FirstName => ("first_name", text(Some(&record.first_name))),
        PatientAttribute::LastName => ("last_name", text(Some(&record.last_name))),
        PatientAttribute::Email => ("email", text(record.email.as_ref())),
        PatientAttribute::Phone => ("phone", text(record.phone.as_ref())),
        PatientAttribute::DateOfBirth => {
            ("date_of_birth", record.date_of_birth.as_ref().map(|born| Value::from(born.get().to_string())))
        }
        PatientAttribute::NationalId => ("national_id", text(record.national_id.as_ref())),
        PatientAttribute::Address => ("address", text(record.address.as_ref())),
        PatientAttribute::EmergencyContact => ("emergency_contact", text(record.emergency_contact.as_ref())),
    }
}
