//! Answers to a form: a JSON object of values by the keys of fields, and of lists of entries by the keys of groups.

use std::fmt;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    compile::{Compiled, Content, FieldRule, GroupFieldRule, GroupRule},
    evaluate::Evaluation,
    model::ENTRY_ID,
};
use crate::domain::{
    field::FieldValue,
    rules::{FieldFaults, below},
};

/// Answers that have been checked against the types of their fields, in the order of a definition's items.
///
/// They belong to the [`Compiled`] that read them.
#[derive(Clone)]
pub(crate) struct Answers {
    pub(super) items: Vec<Answer>,
}

/// Answer to an item.
#[derive(Clone)]
pub(super) enum Answer {
    None,
    Value(FieldValue),
    Entries(Vec<AnswerEntry>),
}

/// Entry of a group.
#[derive(Clone)]
pub(crate) struct AnswerEntry {
    /// Id that a client chose.
    pub(crate) id: Uuid,
    /// Place in the list that was read, from which entries with faults are left out; of merged ones, in their list.
    pub(super) index: usize,
    /// Answers in the order of the group's fields.
    pub(super) values: Vec<Option<FieldValue>>,
}

/// Hides the answers, which may be protected health information.
impl fmt::Debug for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Answers(…)")
    }
}

/// Hides the answers, which may be protected health information.
impl fmt::Debug for AnswerEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerEntry").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Answers {
    /// Returns the value of a field outside of groups.
    pub(super) fn value(&self, place: usize) -> Option<&FieldValue> {
        match self.items.get(place) {
            Some(Answer::Value(value)) => Some(value),
            _ => None,
        }
    }

    /// Returns the entries of a group.
    pub(super) fn entries(&self, place: usize) -> &[AnswerEntry] {
        match self.items.get(place) {
            Some(Answer::Entries(entries)) => entries,
            _ => &[],
        }
    }
}

impl Compiled {
    /// Checks answers by the types of their fields and brings them into their form. A value of `null` is no answer.
    /// Adds all faults, with pointers below `at`; an answer with a fault is left out. A retired option is accepted
    /// where `stored`, the present answers to the same definition, have it.
    pub(crate) fn read(
        &self,
        document: &Map<String, Value>,
        stored: Option<&Answers>,
        at: &str,
        faults: &mut FieldFaults,
    ) -> Answers {
        let mut items = vec![Answer::None; self.items.len()];
        // One buffer for all pointers: most answers have no fault.
        let mut pointer = at.to_owned();
        for (key, value) in document.iter().filter(|(_, value)| !value.is_null()) {
            let Some(&place) = self.by_key.get(key) else {
                faults.add(below(at, key), "unknown", "is the key of no field or group of the form");
                continue;
            };
            pointer.truncate(at.len());
            pointer.push('/');
            pointer.push_str(key);
            items[place] = match &self.items[place].content {
                Content::Field(rule) => {
                    let stored = stored.and_then(|stored| stored.value(place));
                    read_value(rule, value, stored, &pointer, faults).map_or(Answer::None, Answer::Value)
                }
                Content::Group(rule) => {
                    let stored = stored.map_or(&[][..], |stored| stored.entries(place));
                    Answer::Entries(read_entries(rule, value, stored, &pointer, faults))
                }
                Content::Score(_) => {
                    faults.add(&*pointer, "not_applicable", "is computed, and takes no answer");
                    Answer::None
                }
                Content::Text => {
                    faults.add(&*pointer, "not_applicable", "is a text, and takes no answer");
                    Answer::None
                }
            };
        }
        Answers { items }
    }

    /// Reads answers that [`Compiled::write`] wrote for this definition, without checking them again: what was valid
    /// when it was given stays, also an option that is retired.
    pub(crate) fn read_stored(&self, document: &Map<String, Value>) -> Answers {
        let mut items = vec![Answer::None; self.items.len()];
        for (answer, item) in items.iter_mut().zip(&self.items) {
            let Some(value) = document.get(item.key.as_str()) else { continue };
            *answer = match &item.content {
                Content::Field(rule) => stored_value(rule, value).map_or(Answer::None, Answer::Value),
                Content::Group(rule) => Answer::Entries(stored_entries(rule, value)),
                Content::Score(_) | Content::Text => Answer::None,
            };
        }
        Answers { items }
    }

    /// Writes answers in the form that is stored, answered and hashed, in the order of the items; without those to
    /// hidden fields if an evaluation of them is given. A group without entries is left out like one that was never
    /// answered, so that both have the same hash.
    pub(crate) fn write(&self, answers: &Answers, without_hidden: Option<&Evaluation>) -> Map<String, Value> {
        let mut document = Map::new();
        for (place, item) in self.items.iter().enumerate() {
            if without_hidden.is_some_and(|evaluation| !evaluation.items[place].visible) {
                continue;
            }
            let value = match (&item.content, answers.items.get(place)) {
                (Content::Field(_), Some(Answer::Value(value))) => value.to_json(),
                (Content::Group(rule), Some(Answer::Entries(entries))) if !entries.is_empty() => {
                    let shown = without_hidden.map(|evaluation| &evaluation.entries[place]);
                    let write = |(index, entry): (usize, &AnswerEntry)| {
                        write_entry(rule, entry, |field| shown.is_none_or(|states| states[index][field].visible))
                    };
                    entries.iter().enumerate().map(write).collect()
                }
                _ => continue,
            };
            document.insert(item.key.as_str().to_owned(), value);
        }
        document
    }
}

fn write_entry(rule: &GroupRule, entry: &AnswerEntry, is_visible: impl Fn(usize) -> bool) -> Value {
    let mut written = Map::new();
    written.insert(ENTRY_ID.to_owned(), entry.id.to_string().into());
    for (place, (field, value)) in rule.fields.iter().zip(&entry.values).enumerate() {
        if let Some(value) = value.as_ref().filter(|_| is_visible(place)) {
            written.insert(field.key.as_str().to_owned(), value.to_json());
        }
    }
    Value::Object(written)
}

fn stored_value(rule: &FieldRule, value: &Value) -> Option<FieldValue> {
    FieldValue::read(rule.definition.field_type, value)
}

fn stored_entries(rule: &GroupRule, value: &Value) -> Vec<AnswerEntry> {
    let given = value.as_array().map_or(&[][..], Vec::as_slice);
    let mut entries = Vec::with_capacity(given.len());
    for entry in given {
        let Some(id) = entry.get(ENTRY_ID).and_then(Value::as_str).and_then(entry_uuid) else { continue };
        let value = |field: &GroupFieldRule| stored_value(&field.rule, entry.get(field.key.as_str())?);
        let values = rule.fields.iter().map(value).collect();
        entries.push(AnswerEntry { id, index: entries.len(), values });
    }
    entries
}

/// Reads the id of an entry; other spellings than digits with hyphens, which have another length, are none.
pub(super) fn entry_uuid(text: &str) -> Option<Uuid> {
    if text.len() == 36 { Uuid::parse_str(text).ok() } else { None }
}

fn read_value(
    rule: &FieldRule,
    value: &Value,
    stored: Option<&FieldValue>,
    at: &str,
    faults: &mut FieldFaults,
) -> Option<FieldValue> {
    rule.definition.parse(value, at, stored).map_err(|fault| faults.push(fault)).ok()
}

fn read_entries(
    rule: &GroupRule,
    value: &Value,
    stored: &[AnswerEntry],
    at: &str,
    faults: &mut FieldFaults,
) -> Vec<AnswerEntry> {
    let Value::Array(given) = value else {
        faults.add(at, "type", "must be a list of entries");
        return Vec::new();
    };
    if given.len() > rule.max_entries {
        faults.add(at, "max_items", format!("must have at most {} entries", rule.max_entries));
        return Vec::new();
    }
    let mut entries: Vec<AnswerEntry> = Vec::with_capacity(given.len());
    for (index, entry) in given.iter().enumerate() {
        let at = format!("{at}/{index}");
        let Value::Object(given) = entry else {
            faults.add(at, "type", "must be an entry, which is an object");
            continue;
        };
        let Some(id) = entry_id(given, &at, faults) else { continue };
        if entries.iter().any(|entry| entry.id == id) {
            faults.add(format!("{at}/{ENTRY_ID}"), "repeated", "is the id of another entry");
            continue;
        }
        let stored = stored.iter().find(|entry| entry.id == id);
        entries.push(AnswerEntry { id, index, values: read_fields(rule, given, stored, &at, faults) });
    }
    entries
}

fn entry_id(entry: &Map<String, Value>, at: &str, faults: &mut FieldFaults) -> Option<Uuid> {
    let Some(id) = entry.get(ENTRY_ID) else {
        faults.add(format!("{at}/{ENTRY_ID}"), "required", "is required");
        return None;
    };
    let id = id.as_str().and_then(entry_uuid);
    if id.is_none() {
        faults.add(format!("{at}/{ENTRY_ID}"), "format", "must be a UUID");
    }
    id
}

fn read_fields(
    rule: &GroupRule,
    given: &Map<String, Value>,
    stored: Option<&AnswerEntry>,
    at: &str,
    faults: &mut FieldFaults,
) -> Vec<Option<FieldValue>> {
    let mut values = vec![None; rule.fields.len()];
    for (key, value) in given.iter().filter(|(key, value)| *key != ENTRY_ID && !value.is_null()) {
        let Some(&place) = rule.by_key.get(key) else {
            faults.add(below(at, key), "unknown", "is the key of no field of the group");
            continue;
        };
        let stored = stored.and_then(|stored| stored.values.get(place)?.as_ref());
        values[place] = read_value(&rule.fields[place].rule, value, stored, &format!("{at}/{key}"), faults);
    }
    values
}
