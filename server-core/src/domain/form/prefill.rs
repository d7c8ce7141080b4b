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
    service::Service,
    upkeep_model::{FormPrefilled, PrefilledValue},
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
        let mut prefilled = self.prefilled_all(tx, caller, organization, patient, &[version]).await?;
        Ok(prefilled.pop().unwrap_or_default())
    }

    /// Returns the first answers of several forms about a patient like [`Service::prefilled`], in the order of the
    /// versions; record and profile are read once. Needs no [`Lock::FieldsRead`](crate::database::Lock): one statement
    /// reads values and definitions of the profile, and a custom field keeps its `phi` while it has a value.
    pub(super) async fn prefilled_all(
        &self,
        tx: &mut impl Tx,
        caller: &Caller,
        organization: OrganizationId,
        patient: PatientId,
        versions: &[&TemplateVersion],
    ) -> Result<Vec<Prefilled>, DatabaseError> {
        let forms: Vec<Vec<Source<'_>>> = versions.iter().map(|version| sources(version)).collect();
        if forms.iter().all(Vec::is_empty) || caller.may(Permission::PatientRead).is_err() {
            return Ok(vec![Prefilled::default(); versions.len()]);
        }
        let record = if forms.iter().flatten().any(|source| source.from.patient.is_some()) {
            self.patients.record(tx, organization, patient).await?
        } else {
            None
        };
        let keys = profile_keys(forms.iter().flatten());
        let profile = self.profiles.present_values(tx, caller, organization, patient, &keys).await?;
        Ok(forms.iter().map(|sources| first_answers(sources, record.as_ref(), &profile)).collect())
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
        let keys = profile_keys(&sources);
        let profile = self.profiles.present_values(&mut tx, caller, organization, patient, &keys).await?;
        let (answers, origins) = first_answers(&sources, Some(&record), &profile);
        let mut values = BTreeMap::new();
        for (key, source) in origins {
            if let Some(value) = answers.get(&key).cloned() {
                values.insert(key, PrefilledValue { value: Phi::from(value), source });
            }
        }
        let prefilled = FormPrefilled { form_template_version: latest.number, values };
        Ok(tx.disclose(Sealed::new(prefilled), |_| Audit::read([&patient])).await?)
    }
}

/// Returns the keys of the custom fields that answers are taken from.
fn profile_keys<'s, 'v: 's>(sources: impl IntoIterator<Item = &'s Source<'v>>) -> BTreeSet<&'s str> {
    sources.into_iter().filter_map(|source| source.from.profile.as_ref()).map(Key::as_str).collect()
}

/// Takes the answers of a form from the patient's record and profile.
fn first_answers(
    sources: &[Source<'_>],
    record: Option<&Patient>,
    profile: &BTreeMap<String, PresentValue>,
) -> Prefilled {
    let now = Utc::now();
    let (mut answers, mut origins) = Prefilled::default();
    for source in sources {
        if let Some((value, origin)) = source.answer(record, profile, now) {
            answers.insert(source.key.as_str().to_owned(), value.to_json());
            origins.insert(source.key.as_str().to_owned(), origin);
        }
    }
    (answers, origins)
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

#[cfg(test)]
mod tests {
    use poem_openapi::types::{Example as _, ParseFromJSON as _};
    use serde_json::json;

    use super::*;
    use crate::domain::field::FieldType;

    fn field(body: Value) -> FieldDefinition {
        FieldDefinition::parse_from_json(Some(body)).unwrap_or_else(|error| panic!("{}", error.into_message()))
    }

    fn weight(unit: &str, phi: bool) -> FieldDefinition {
        let bounds = json!({ "maximum": "300" });
        field(json!({ "field_type": "integer", "label": "Weight", "unit": unit, "validation": bounds, "phi": phi }))
    }

    fn present(number: i64, phi: bool) -> BTreeMap<String, PresentValue> {
        let value = FieldValue::Integer(number);
        let present = PresentValue { value, field_type: FieldType::Integer, unit: Some("kg".to_owned()), phi };
        [("weight".to_owned(), present)].into()
    }

    fn answer(
        from: &FormPrefill,
        field: &FieldDefinition,
        profile: &BTreeMap<String, PresentValue>,
    ) -> Option<(Value, FilledFrom)> {
        let key = Key::from_static("field");
        let source = Source { key: &key, from, field };
        let answer = source.answer(Some(&Patient::example()), profile, DateTime::UNIX_EPOCH);
        answer.map(|(value, origin)| (value.to_json(), origin))
    }

    #[test]
    fn a_value_of_the_profile_is_taken_unless_it_would_mean_or_be_protected_less() {
        let from = FormPrefill { patient: None, profile: Some(Key::from_static("weight")) };
        let (value, origin) = answer(&from, &weight("kg", true), &present(70, true)).expect("an answer");
        assert_eq!((value, origin.profile.as_deref(), origin.patient), (json!(70), Some("weight"), None));
        assert!(answer(&from, &weight("kg", true), &present(70, false)).is_some(), "more protection");
        for (why, definition, profile) in [
            ("less protection", weight("kg", false), present(70, true)),
            ("another unit", weight("lb", true), present(70, true)),
            ("out of bounds", weight("kg", true), present(301, true)),
            ("no value", weight("kg", true), BTreeMap::new()),
            (
                "another type",
                field(json!({ "field_type": "decimal", "label": "Weight", "unit": "kg", "phi": true })),
                present(70, true),
            ),
        ] {
            assert!(answer(&from, &definition, &profile).is_none(), "{why}");
        }
    }

    #[test]
    fn values_of_the_record_go_only_to_protected_fields_that_take_them() {
        let from = |attribute| FormPrefill { patient: Some(attribute), profile: None };
        let text = |kind: &str, phi: bool| field(json!({ "field_type": kind, "label": "Text", "phi": phi }));
        let none = BTreeMap::new();
        for (attribute, kind, value) in [
            (PatientAttribute::LastName, "text", json!("Sample")),
            (PatientAttribute::Phone, "phone", json!("+49301234567")),
            (PatientAttribute::DateOfBirth, "date", json!("1980-02-29")),
            (PatientAttribute::Address, "long_text", json!("1 Example Street, 10115 Berlin")),
        ] {
            let (answered, origin) = answer(&from(attribute), &text(kind, true), &none).expect("an answer");
            assert_eq!(answered, value);
            assert!(origin.patient.is_some() && origin.profile.is_none());
            assert!(answer(&from(attribute), &text(kind, false), &none).is_none(), "{kind} in the clear");
        }
        let short = json!({ "max_length": 3 });
        let short = field(json!({ "field_type": "text", "label": "Text", "validation": short, "phi": true }));
        assert!(answer(&from(PatientAttribute::LastName), &short, &none).is_none(), "too long");
    }
}
