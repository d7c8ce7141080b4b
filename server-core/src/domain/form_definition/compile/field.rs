//! Checks of fields, apart from their conditions.

use crate::domain::{
    field::{FieldDefinition, FieldType},
    form_definition::{
        item::{FieldItem, FormPrefill, PatientAttribute},
        library::FieldLibrary,
    },
    rules::FieldFaults,
};

/// Finds the definition of a field and adds the field's faults.
pub(super) fn resolve<'a>(
    field: &'a FieldItem,
    library: &'a impl FieldLibrary,
    at: &str,
    in_group: bool,
    faults: &mut FieldFaults,
) -> Option<&'a FieldDefinition> {
    let definition = match (field.custom_field, &field.definition) {
        (Some(pinned), None) => {
            let found = library.field(pinned.id, pinned.version);
            if found.is_none() {
                let message = "must be a version of a custom field of the organization that isn't archived";
                faults.add(format!("{at}/custom_field"), "unknown_reference", message);
            }
            found
        }
        (None, Some(definition)) => {
            definition.check(&format!("{at}/definition"), faults);
            Some(definition)
        }
        _ => {
            faults.add(at, "one_of", "must have exactly one of custom_field and definition");
            None
        }
    };
    if field.required && field.required_if.is_some() {
        faults.add(format!("{at}/required_if"), "not_applicable", "does not apply to a field that is always required");
    }
    check_storable(field, definition, at, faults);
    check_write_back(field, library, at, in_group, faults);
    if let Some(prefill) = &field.prefill {
        let at = format!("{at}/prefill");
        if in_group {
            faults.add(at, "not_applicable", "does not apply to fields in groups, which begin without entries");
        } else {
            check_prefill(prefill, definition, library, &at, faults);
        }
    }
    definition
}

/// Refuses to require an answer that can't be given yet.
fn check_storable(field: &FieldItem, definition: Option<&FieldDefinition>, at: &str, faults: &mut FieldFaults) {
    let is_file = |kind| matches!(kind, FieldType::File | FieldType::Signature);
    if !definition.is_some_and(|definition| is_file(definition.field_type)) {
        return;
    }
    for (name, is_given) in [("required", field.required), ("required_if", field.required_if.is_some())] {
        if is_given {
            let message = "does not apply yet: files and drawn signatures can't be stored, so nobody could answer";
            faults.add(format!("{at}/{name}"), "not_supported", message);
        }
    }
}

fn check_write_back(
    field: &FieldItem,
    library: &impl FieldLibrary,
    at: &str,
    in_group: bool,
    faults: &mut FieldFaults,
) {
    if !field.write_back {
        return;
    }
    let is_of_patient = field.custom_field.is_some_and(|pinned| library.is_of_patient(pinned.id));
    if in_group {
        let message = "does not apply to fields in groups, which have any number of answers";
        faults.add(format!("{at}/write_back"), "not_applicable", message);
    } else if !is_of_patient {
        faults.add(format!("{at}/write_back"), "not_applicable", "applies to custom fields of patients only");
    }
}

fn check_prefill(
    prefill: &FormPrefill,
    definition: Option<&FieldDefinition>,
    library: &impl FieldLibrary,
    at: &str,
    faults: &mut FieldFaults,
) {
    // An answer is no less protected than the value that it was taken from.
    let is_open = definition.is_some_and(|definition| !definition.phi);
    let message = "must be a field with protected values (`phi`), because those of the source are";
    match (prefill.patient, &prefill.profile) {
        (Some(attribute), None) => {
            if is_open {
                faults.add(format!("{at}/patient"), "phi", message);
            }
            if definition.is_some_and(|definition| !fits(attribute, definition.field_type)) {
                faults.add(format!("{at}/patient"), "type", "must be an attribute with values of the field's type");
            }
        }
        (None, Some(key)) => match library.profile(key) {
            None => {
                faults.add(
                    format!("{at}/profile"),
                    "unknown_reference",
                    "must be the key of a custom field of patients",
                );
            }
            Some(source) if definition.is_some_and(|definition| definition.field_type != source.field_type) => {
                faults.add(format!("{at}/profile"), "type", "must be a custom field of the same type as this field");
            }
            Some(source) if is_open && source.phi => faults.add(format!("{at}/profile"), "phi", message),
            Some(_) => {}
        },
        _ => faults.add(at, "one_of", "must have exactly one of patient and profile"),
    }
}

/// Returns `true` if the values of an attribute are values of the type.
fn fits(attribute: PatientAttribute, kind: FieldType) -> bool {
    use PatientAttribute as Attribute;
    match attribute {
        Attribute::FirstName | Attribute::LastName | Attribute::NationalId => {
            matches!(kind, FieldType::Text | FieldType::LongText)
        }
        Attribute::Email => matches!(kind, FieldType::Email | FieldType::Text | FieldType::LongText),
        Attribute::Phone => matches!(kind, FieldType::Phone | FieldType::Text | FieldType::LongText),
        Attribute::DateOfBirth => kind == FieldType::Date,
        Attribute::Address | Attribute::EmergencyContact => kind == FieldType::LongText,
    }
}
