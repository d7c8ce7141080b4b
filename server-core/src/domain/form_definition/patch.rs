//! Partial saves: answers to some fields, merged into those that are stored.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
};

use serde_json::{Map, Value};

use super::{
    answers::{Answer, AnswerEntry, Answers, entry_uuid},
    compile::{Compiled, Content, FieldRule, GroupRule},
    model::ENTRY_ID,
};
use crate::domain::{
    field::FieldValue,
    rules::{FieldFaults, below},
};

/// Answers after a partial save.
#[derive(Clone)]
pub(crate) struct Patch {
    /// Answers as they are merged; entries are counted in the merged lists.
    pub(crate) answers: Answers,
    /// The same answers as [`Compiled::write`] writes them, those to hidden fields included.
    pub(crate) document: Map<String, Value>,
    /// Places that the save names, each once, in the order of the keys of fields and groups.
    pub(crate) places: Vec<PatchedPlace>,
}

/// Hides the answers, which may be protected health information.
impl fmt::Debug for Patch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patch").field("places", &self.places).finish_non_exhaustive()
    }
}

/// Place of an answer that a partial save names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PatchedPlace {
    /// `field`, or `group/entry/field`; `group/entry` for an entry that is deleted, or that is added without an answer.
    pub(crate) place: String,
    /// `true` if the answer is another one than before.
    pub(crate) changed: bool,
    /// `true` if an entry is deleted, also if there was none any more.
    pub(crate) deleted: bool,
}

impl Compiled {
    /// Merges answers into those that are stored for this definition. `changes` has values by the keys of fields, where
    /// `null` removes one, and for groups objects of entries by their ids: each an object of values by the keys of the
    /// group's fields, or `null` to delete the entry. An unknown id adds an entry at the end.
    ///
    /// Only answers that are named are checked; a retired option is accepted where it is stored. Adds all faults, with
    /// pointers below `at`: `…/medication/<id>/name`. With a fault, only the places are of use: those without one.
    pub(crate) fn patch(
        &self,
        stored: &Map<String, Value>,
        changes: &BTreeMap<String, Value>,
        at: &str,
        faults: &mut FieldFaults,
    ) -> Patch {
        let mut answers = self.read_stored(stored);
        let mut places = Vec::with_capacity(changes.len());
        for (key, value) in changes {
            let at = below(at, key);
            let Some(&place) = self.by_key.get(key) else {
                faults.add(at, "unknown", "is the key of no field or group of the form");
                continue;
            };
            let answer = &mut answers.items[place];
            match &self.items[place].content {
                Content::Field(rule) => {
                    let mut present = match std::mem::replace(answer, Answer::None) {
                        Answer::Value(value) => Some(value),
                        Answer::Entries(_) | Answer::None => None,
                    };
                    places.extend(patch_value(rule, &mut present, value, key.clone(), &at, faults));
                    *answer = present.map_or(Answer::None, Answer::Value);
                }
                Content::Group(rule) => {
                    let mut entries = match std::mem::replace(answer, Answer::None) {
                        Answer::Entries(entries) => entries,
                        Answer::Value(_) | Answer::None => Vec::new(),
                    };
                    places.extend(patch_group(rule, &mut entries, value, key, &at, faults));
                    *answer = Answer::Entries(entries);
                }
                Content::Score(_) => faults.add(at, "not_applicable", "is computed, and takes no answer"),
                Content::Text => faults.add(at, "not_applicable", "is a text, and takes no answer"),
            }
        }
        Patch { document: self.write(&answers, None), answers, places }
    }
}

/// Sets or removes an answer; returns `None` if the new one has a fault.
fn patch_value(
    rule: &FieldRule,
    present: &mut Option<FieldValue>,
    value: &Value,
    place: String,
    at: &str,
    faults: &mut FieldFaults,
) -> Option<PatchedPlace> {
    let new = if value.is_null() {
        None
    } else {
        Some(rule.definition.parse(value, at, present.as_ref()).map_err(|fault| faults.push(fault)).ok()?)
    };
    let changed = *present != new;
    *present = new;
    Some(PatchedPlace { place, changed, deleted: false })
}

/// Deletes, changes and adds entries of the group `key`.
fn patch_group(
    rule: &GroupRule,
    entries: &mut Vec<AnswerEntry>,
    value: &Value,
    key: &str,
    at: &str,
    faults: &mut FieldFaults,
) -> Vec<PatchedPlace> {
    let mut places = Vec::new();
    let Value::Object(given) = value else {
        faults.add(at, "type", "must be an object of entries by their ids, in which null deletes an entry");
        return places;
    };
    // As many as can be deleted and added at once.
    let most = 2 * rule.max_entries;
    if given.len() > most {
        faults.add(at, "max_properties", format!("must name at most {most} entries"));
        return places;
    }
    let mut named = HashSet::with_capacity(given.len());
    for (id, value) in given {
        let at = below(at, id);
        let Some(id) = entry_uuid(id) else {
            faults.add(at, "format", "must be the id of an entry, which is a UUID");
            continue;
        };
        if !named.insert(id) {
            faults.add(at, "repeated", "is the id of an entry that is named before");
            continue;
        }
        let place = format!("{key}/{id}");
        let present = entries.iter().position(|entry| entry.id == id);
        match (value, present) {
            (Value::Null, present) => {
                places.push(PatchedPlace { place, changed: present.is_some(), deleted: true });
                if let Some(present) = present {
                    entries.remove(present);
                }
            }
            (Value::Object(given), Some(present)) => {
                places.extend(patch_entry(rule, &mut entries[present], given, &place, &at, faults));
            }
            (Value::Object(given), None) => {
                let mut entry = AnswerEntry { id, index: entries.len(), values: vec![None; rule.fields.len()] };
                let answered = patch_entry(rule, &mut entry, given, &place, &at, faults);
                if !answered.iter().any(|answered| answered.changed) {
                    places.push(PatchedPlace { place, changed: true, deleted: false });
                }
                places.extend(answered);
                entries.push(entry);
            }
            _ => faults.add(at, "type", "must be an entry, which is an object, or null to delete it"),
        }
    }
    if entries.len() > rule.max_entries {
        faults.add(at, "max_items", format!("must have at most {} entries, the others counted", rule.max_entries));
    }
    for (index, entry) in entries.iter_mut().enumerate() {
        entry.index = index;
    }
    places
}

/// Sets and removes answers of the entry at `place`.
fn patch_entry(
    rule: &GroupRule,
    entry: &mut AnswerEntry,
    given: &Map<String, Value>,
    place: &str,
    at: &str,
    faults: &mut FieldFaults,
) -> Vec<PatchedPlace> {
    let mut places = Vec::with_capacity(given.len().min(rule.fields.len()));
    for (key, value) in given {
        let at = below(at, key);
        if key == ENTRY_ID {
            faults.add(at, "not_applicable", "is the key of the entry, and stands nowhere else");
            continue;
        }
        let Some(&field) = rule.by_key.get(key) else {
            faults.add(at, "unknown", "is the key of no field of the group");
            continue;
        };
        let (present, place) = (&mut entry.values[field], format!("{place}/{key}"));
        places.extend(patch_value(&rule.fields[field].rule, present, value, place, &at, faults));
    }
    places
}
