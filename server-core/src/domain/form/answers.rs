//! Answers and scores of submitted forms that are no protected health information, typed and in the clear, for
//! segments. They repeat what the form holds; a save deletes them, and the next submission writes them anew.

use std::collections::HashMap;

use serde_json::{Value, json};
use server_shared::value::Key;
use uuid::Uuid;

use crate::{
    domain::form_definition::{FormDefinition, OpenAnswer, OpenValue},
    ids::CustomFieldId,
};

/// Writes the rows of answers as the statement reads them; custom fields are those of the form's `definition`.
pub(super) fn answer_rows(answers: &[OpenAnswer<'_>], definition: &FormDefinition) -> Value {
    let fields = custom_fields(definition);
    answers.iter().map(|answer| row(answer, &fields)).collect()
}

fn row(answer: &OpenAnswer<'_>, fields: &HashMap<(Option<&str>, &str), CustomFieldId>) -> Value {
    let key = answer.key.as_str();
    let group = answer.within.map(|(group, _)| group.as_str());
    let entry: Option<Uuid> = answer.within.map(|(_, entry)| entry);
    let mut row = json!({ "key": key, "group_key": group, "entry": entry });
    match &answer.value {
        OpenValue::Answer(value) => {
            row["is_score"] = false.into();
            row["custom_field_id"] = fields.get(&(group, key)).map(|id| id.0).into();
            row[value.column()] = value.to_json();
        }
        OpenValue::Score { value, band } => {
            row["is_score"] = true.into();
            row["number_value"] = value.to_string().into();
            row["band"] = band.map(Key::as_str).into();
        }
    }
    row
}

/// Returns the custom fields that define fields of a form, by the keys of group and field.
fn custom_fields(definition: &FormDefinition) -> HashMap<(Option<&str>, &str), CustomFieldId> {
    let mut fields = HashMap::new();
    for item in definition.sections.iter().flat_map(|section| &section.items) {
        let key = item.key.as_str();
        let alone = item.field.iter().filter_map(|field| Some(((None, key), field.custom_field?.id)));
        fields.extend(alone);
        let grouped = item.group.iter().flat_map(|group| &group.items);
        fields
            .extend(grouped.filter_map(|inner| Some(((Some(key), inner.key.as_str()), inner.field.custom_field?.id))));
    }
    fields
}
