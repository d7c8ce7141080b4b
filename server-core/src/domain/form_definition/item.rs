use poem_openapi::{Enum, Object};
use server_shared::value::{Key, Line, Prose};

use super::{
    condition::FormCondition,
    model::{FormTextTranslation, FormTranslation},
    score::ScoreItem,
};
use crate::{domain::field::FieldDefinition, ids::CustomFieldId};

/// Item of a section: exactly one of `field`, `group`, `text` and `score`.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct FormItem {
    /// Key of the item, unique among the items of all sections of the form; items in groups have keys of their own.
    /// Answers are stored under it, so a changed key is another item.
    pub(crate) key: Key,
    /// Condition under which the item is visible; absent if it always is while its section is visible.
    pub(crate) visible_if: Option<FormCondition>,
    /// Field; absent if the item is something else.
    pub(crate) field: Option<FieldItem>,
    /// Group of fields that is answered any number of times; absent if the item is something else.
    pub(crate) group: Option<GroupItem>,
    /// Text between the fields; absent if the item is something else.
    pub(crate) text: Option<TextItem>,
    /// Score; absent if the item is something else.
    pub(crate) score: Option<ScoreItem>,
}

/// Field of a form: exactly one of `custom_field` and `definition`.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct FieldItem {
    /// Version of a custom field that defines this field; absent if the form defines it. A later version of the custom
    /// field doesn't change the form.
    pub(crate) custom_field: Option<PinnedField>,
    /// Definition of a field that only this form has; absent if a custom field defines it. A form that is shown to be
    /// filled in has the definition of the custom field here.
    pub(crate) definition: Option<FieldDefinition>,
    /// `true` if the form can't be submitted without an answer while the field is visible. Files and signatures can't
    /// be required yet.
    #[oai(default)]
    pub(crate) required: bool,
    /// Condition under which an answer is required; absent if `required` says it all. It can't be combined with
    /// `required: true`.
    pub(crate) required_if: Option<FormCondition>,
    /// Source of a first answer when a form is created; absent if the field begins empty. Fields in groups have none,
    /// and a field that is filled from protected values has protected values itself.
    pub(crate) prefill: Option<FormPrefill>,
    /// `true` if the answer becomes the value of the patient's custom field when the form is signed. Only for custom
    /// fields of patients, outside of groups, and for one field of each.
    #[oai(default)]
    pub(crate) write_back: bool,
}

/// Version of a custom field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Object)]
pub(crate) struct PinnedField {
    /// Id of the custom field.
    pub(crate) id: CustomFieldId,
    /// Number of its version, from 1.
    #[oai(validator(minimum(value = "1")))]
    pub(crate) version: i32,
}

/// Source of a first answer: exactly one of `patient` and `profile`.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct FormPrefill {
    /// Attribute of the patient's record; absent if the source is the profile.
    pub(crate) patient: Option<PatientAttribute>,
    /// Key of a custom field of patients, whose value in the patient's profile is the source; absent if the source is
    /// the record. The types of both fields must be equal, and a choice needs the same option.
    pub(crate) profile: Option<Key>,
}

/// Attribute of a patient's record that answers may be prefilled from.
///
/// - `first_name`: first name, for a field of the type `text` or `long_text`
/// - `last_name`: last name, for a field of the type `text` or `long_text`
/// - `email`: e-mail address, for a field of the type `email`, `text` or `long_text`
/// - `phone`: telephone number, for a field of the type `phone`, `text` or `long_text`
/// - `date_of_birth`: date of birth, for a field of the type `date`
/// - `national_id`: number of a national identity document or health insurance, for a field of the type `text` or
///   `long_text`
/// - `address`: postal address, for a field of the type `long_text`
/// - `emergency_contact`: contact in an emergency, for a field of the type `long_text`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum PatientAttribute {
    /// First name.
    FirstName,
    /// Last name.
    LastName,
    /// E-mail address.
    Email,
    /// Telephone number.
    Phone,
    /// Date of birth.
    DateOfBirth,
    /// Number of a document.
    NationalId,
    /// Postal address.
    Address,
    /// Contact in an emergency.
    EmergencyContact,
}

/// Group of fields that is answered any number of times, e.g. once for each medication. Its answer is a list of
/// entries, each with a UUID `id` that the client chooses and that stays the same.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct GroupItem {
    /// Label, 1 to 200 characters.
    pub(crate) label: Line<1, 200>,
    /// Explanation, 1 to 2,000 characters; absent if there is none.
    pub(crate) help: Option<Prose<1, 2000>>,
    /// Label and explanation in other languages, at most 20.
    #[oai(default, validator(max_items = 20))]
    pub(crate) translations: Vec<FormTranslation>,
    /// Number of entries without which the form can't be submitted while the group is visible, 0 to 50, at most
    /// `max_entries`.
    #[oai(default, validator(minimum(value = "0"), maximum(value = "50")))]
    pub(crate) min_entries: i32,
    /// Maximum number of entries, 1 to 50.
    #[oai(validator(minimum(value = "1"), maximum(value = "50")))]
    pub(crate) max_entries: i32,
    /// Fields of each entry in the order in which they are shown, 1 to 100.
    #[oai(validator(min_items = 1, max_items = 100))]
    pub(crate) items: Vec<GroupField>,
}

/// Field of a group.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct GroupField {
    /// Key of the field, unique in the group; `id` is reserved for the id of an entry.
    pub(crate) key: Key,
    /// Condition under which the field is visible in an entry; absent if it always is while the group is visible. Its
    /// keys name fields of the same entry first, then items outside of the group.
    pub(crate) visible_if: Option<FormCondition>,
    /// Field.
    pub(crate) field: FieldItem,
}

/// Text between the fields of a section.
#[derive(Debug, Clone, Object)]
pub(crate) struct TextItem {
    /// Text, 1 to 5,000 characters.
    pub(crate) text: Prose<1, 5000>,
    /// Text in other languages, at most 20.
    #[oai(default, validator(max_items = 20))]
    pub(crate) translations: Vec<FormTextTranslation>,
}

impl FormItem {
    /// Returns an item with a key and nothing else.
    pub(super) fn empty(key: &'static str) -> Self {
        Self { key: Key::from_static(key), visible_if: None, field: None, group: None, text: None, score: None }
    }
}

impl FieldItem {
    /// Returns an optional field that the form defines.
    pub(super) fn inline(definition: FieldDefinition) -> Self {
        Self {
            custom_field: None,
            definition: Some(definition),
            required: false,
            required_if: None,
            prefill: None,
            write_back: false,
        }
    }
}
