//! Values that signed forms give to the custom fields of their patients.

use poem_openapi::Enum;
use serde_json::Value;
use server_shared::value::Line;

use super::{
    error::ProfileError,
    event::ProfileEvent,
    merge::Change,
    repository,
    service::{Service, absent, hold},
    stored::ProfileEntry,
};
use crate::{
    database::{Tx, WriteTx},
    domain::field::FieldValue,
    identity::Caller,
    ids::{CustomFieldId, OrganizationId, PatientId},
};

/// Value that a form gives to a custom field.
pub(crate) struct FormValue<'a> {
    /// Custom field.
    pub(crate) field: CustomFieldId,
    /// `true` if the form protects the value, as protected health information or because it tells something of such
    /// information by being there.
    pub(crate) phi: bool,
    /// Unit of a number in the form.
    pub(crate) unit: Option<&'a str>,
    /// Value; `None` if the form has none.
    pub(crate) value: Option<&'a Value>,
}

/// Effect of the last signature of a form on a value of the patient's profile.
///
/// - `written`: the profile gets the form's value
/// - `unchanged`: the profile has the form's value already
/// - `unanswered`: the form has no answer or does not show the field, so that the profile keeps its value
/// - `not_writable`: the role of the signer, or of the caller who asks beforehand, doesn't write the field
/// - `archived`: the custom field is archived
/// - `not_valid`: the present version of the custom field does not accept the value, or protects less than the form,
///   which also protects answers to fields that a protected answer shows
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum WriteBackOutcome {
    /// The profile gets the value.
    Written,
    /// The profile has the value.
    Unchanged,
    /// The form has no value, so the profile keeps its own.
    Unanswered,
    /// The role of the caller doesn't write the field.
    NotWritable,
    /// The field is archived.
    Archived,
    /// The field does not accept the value in its present version, has it in another unit, or protects less than the
    /// form does.
    NotValid,
}

impl Service {
    /// Writes those values of a form into the profile of a patient that the caller may write, all in one statement, and
    /// skips the others. The transaction should hold [`Lock::FieldsRead`](crate::database::Lock) from its begin.
    /// Returns the event for its commit; `None` if nothing changed.
    pub(crate) async fn form_values_write(
        &self,
        tx: &mut WriteTx,
        caller: &Caller,
        organization: OrganizationId,
        patient: PatientId,
        values: &[FormValue<'_>],
    ) -> Result<Option<ProfileEvent<PatientId>>, ProfileError> {
        if values.is_empty() {
            return Ok(None);
        }
        let opener = self.opener::<PatientId>(caller, organization, None);
        // Looks first, because a hold counts the profile's version up.
        let Some(rows) = repository::profile_get(tx, organization, opener.entity, patient.0).await? else {
            return match absent(tx, patient).await {
                // A deleted record has no profile to write; one that was merged meanwhile has another.
                ProfileError::PatientNotFound => Ok(None),
                merged => Err(merged),
            };
        };
        if changes(&opener.entries(rows.fields)?, values).is_empty() {
            return Ok(None);
        }
        let (held, version, rows) = hold(tx, organization, patient).await?;
        let mut entries = opener.entries(rows.fields)?;
        let changes = changes(&entries, values);
        if changes.is_empty() {
            return Ok(None);
        }
        let keys = self.store(tx, caller, &opener, patient, (&held, version), (&mut entries, &changes)).await?;
        Ok(Some(ProfileEvent { of: patient, keys }))
    }

    /// Returns the effects that values of a form would have on the profile of a patient if the caller wrote them, each
    /// with the present value, if the caller sees one.
    pub(crate) async fn form_values_preview(
        &self,
        tx: &mut impl Tx,
        caller: &Caller,
        organization: OrganizationId,
        patient: PatientId,
        values: &[FormValue<'_>],
    ) -> Result<Vec<(WriteBackOutcome, Option<Value>)>, ProfileError> {
        let opener = self.opener::<PatientId>(caller, organization, None);
        let rows = repository::profile_get(tx, organization, opener.entity, patient.0).await?;
        let Some(rows) = rows else { return Err(absent(tx, patient).await) };
        let entries = opener.entries(rows.fields)?;
        let effects = values.iter().map(|value| {
            let entry = entry_of(&entries, value).map(|(_, entry)| entry);
            let present = entry.and_then(ProfileEntry::value).map(FieldValue::to_json);
            (effect(entry, value).0, present)
        });
        Ok(effects.collect())
    }
}

/// Returns the changes that values of a form make in these entries.
fn changes(entries: &[ProfileEntry], values: &[FormValue<'_>]) -> Vec<Change> {
    let change = |value: &FormValue<'_>| {
        let (place, entry) = entry_of(entries, value)?;
        let (WriteBackOutcome::Written, given) = effect(Some(entry), value) else { return None };
        Some(Change { entry: place, value: given })
    };
    values.iter().filter_map(change).collect()
}

/// Returns the entry of the field that a value is for; `None` if the caller does not see the field.
fn entry_of<'e>(entries: &'e [ProfileEntry], value: &FormValue<'_>) -> Option<(usize, &'e ProfileEntry)> {
    entries.iter().enumerate().find(|(_, entry)| entry.id == value.field)
}

/// Returns the effect of a value, and the value in its form if it is to be written.
fn effect(entry: Option<&ProfileEntry>, value: &FormValue<'_>) -> (WriteBackOutcome, Option<FieldValue>) {
    let Some(json) = value.value else { return (WriteBackOutcome::Unanswered, None) };
    let Some(entry) = entry else { return (WriteBackOutcome::NotWritable, None) };
    if entry.archived {
        return (WriteBackOutcome::Archived, None);
    }
    if !entry.writable {
        return (WriteBackOutcome::NotWritable, None);
    }
    let unit = entry.definition.unit.as_ref().map(Line::as_str);
    if value.phi && !entry.definition.phi || value.unit != unit {
        return (WriteBackOutcome::NotValid, None);
    }
    match entry.definition.parse(json, "", entry.value()) {
        Err(_) => (WriteBackOutcome::NotValid, None),
        Ok(given) if entry.is(Some(&given)) => (WriteBackOutcome::Unchanged, None),
        Ok(given) => (WriteBackOutcome::Written, Some(given)),
    }
}

#[cfg(test)]
mod tests {
    use poem_openapi::types::ParseFromJSON as _;
    use serde_json::json;
    use server_shared::value::Key;
    use uuid::Uuid;

    use super::{
        super::stored::Given,
        WriteBackOutcome::{Archived, NotValid, NotWritable, Unanswered, Unchanged, Written},
        *,
    };
    use crate::domain::field::{FieldDefinition, FieldType};

    fn weight(definition: Value, given: Option<i64>) -> ProfileEntry {
        let definition = FieldDefinition::parse_from_json(Some(definition)).unwrap_or_else(|_| panic!("no definition"));
        let given = given.map(|number| Given {
            uid: Uuid::nil(),
            field_version: 1,
            field_type: FieldType::Integer,
            unit: Some("kg".to_owned()),
            value: Some(FieldValue::Integer(number)),
            changed_in: 1,
            changed_at: chrono::DateTime::UNIX_EPOCH,
            changed_by: None,
        });
        ProfileEntry {
            id: CustomFieldId(1),
            key: Key::from_static("weight"),
            version: 2,
            definition,
            writable: true,
            archived: false,
            given,
        }
    }

    fn in_kilograms(phi: bool) -> Value {
        let validation = json!({ "maximum": "300" });
        json!({ "field_type": "integer", "label": "Weight", "unit": "kg", "phi": phi, "validation": validation })
    }

    #[allow(clippy::needless_pass_by_value, reason = "takes what json! makes")]
    fn effect_of(entry: &ProfileEntry, value: Value) -> WriteBackOutcome {
        let value = FormValue { field: entry.id, phi: true, unit: Some("kg"), value: Some(&value) };
        effect(Some(entry), &value).0
    }

    #[test]
    fn a_value_is_written_unless_it_is_there() {
        let entry = weight(in_kilograms(true), Some(70));
        assert_eq!(effect_of(&entry, json!(71)), Written);
        assert_eq!(effect_of(&entry, json!(70)), Unchanged);
        assert_eq!(effect_of(&weight(in_kilograms(true), None), json!(70)), Written);
    }

    #[test]
    fn a_field_takes_nothing_that_its_present_version_refuses() {
        assert_eq!(effect_of(&weight(in_kilograms(true), None), json!(301)), NotValid, "out of bounds");
        assert_eq!(effect_of(&weight(in_kilograms(false), None), json!(70)), NotValid, "less protection");
        let in_pounds = json!({ "field_type": "integer", "label": "Weight", "unit": "lb", "phi": true });
        assert_eq!(effect_of(&weight(in_pounds, None), json!(70)), NotValid, "another unit");
        let as_text = json!({ "field_type": "text", "label": "Weight", "phi": true });
        assert_eq!(effect_of(&weight(as_text, None), json!(70)), NotValid, "another type");
    }

    #[test]
    fn archived_and_foreign_fields_stay_as_they_are() {
        let entry = ProfileEntry { archived: true, writable: false, ..weight(in_kilograms(true), None) };
        assert_eq!(effect_of(&entry, json!(70)), Archived);
        let entry = ProfileEntry { writable: false, ..weight(in_kilograms(true), None) };
        assert_eq!(effect_of(&entry, json!(70)), NotWritable);
        let given = json!(70);
        let value = FormValue { field: CustomFieldId(2), phi: true, unit: None, value: Some(&given) };
        assert_eq!(effect(None, &value).0, NotWritable, "a field that the caller does not see");
        let value = FormValue { value: None, ..value };
        assert_eq!(effect(Some(&entry), &value).0, Unanswered);
    }
}
