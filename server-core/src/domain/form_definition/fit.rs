//! Answers that move to another version of their form.

use serde_json::{Map, Value};

use super::{
    answers::{Answer, AnswerEntry, Answers},
    compile::{Compiled, Content, FieldRule, GroupFieldRule, GroupRule},
};
use crate::domain::{
    field::FieldValue,
    rules::{FieldFaults, below},
};

impl Compiled {
    /// Reads answers that are stored for the version `before` under this one, those to hidden fields included. Adds a
    /// fault for each that does not fit, with pointers below `at`, in groups by the ids of entries
    /// (`…/medication/<id>/name`): this version asks no such field, its field refuses the value, or has options or
    /// another unit where the other had none, so that the answer would mean something else, or it doesn't protect an
    /// answer that was given as protected health information. A retired option stays where it was chosen.
    pub(crate) fn fits(
        &self,
        before: &Self,
        stored: &Map<String, Value>,
        at: &str,
        faults: &mut FieldFaults,
    ) -> Answers {
        let answers = before.read_stored(stored);
        let mut items = vec![Answer::None; self.items.len()];
        for (item, answer) in before.items.iter().zip(&answers.items) {
            let key = item.key.as_str();
            let at = format!("{at}/{key}");
            let target = self.by_key.get(key).map(|place| (*place, &self.items[*place].content));
            match (answer, &item.content, target) {
                (Answer::None, ..) => {}
                (Answer::Entries(entries), ..) if entries.is_empty() => {}
                (Answer::Value(value), Content::Field(old), Some((place, Content::Field(new)))) => {
                    items[place] = fit_value(old, new, value, &at, faults).map_or(Answer::None, Answer::Value);
                }
                (Answer::Entries(entries), Content::Group(old), Some((place, Content::Group(new)))) => {
                    items[place] = Answer::Entries(fit_entries(old, new, entries, &at, faults));
                }
                (Answer::Value(_), ..) => faults.add(at, "unknown", "is an answer to no field of that version"),
                (Answer::Entries(_), ..) => faults.add(at, "unknown", "is an answer to no group of that version"),
            }
        }
        Answers { items }
    }
}

fn fit_value(
    old: &FieldRule,
    new: &FieldRule,
    value: &FieldValue,
    at: &str,
    faults: &mut FieldFaults,
) -> Option<FieldValue> {
    let (old, new) = (&old.definition, &new.definition);
    if old.field_type.is_choice() != new.field_type.is_choice() {
        faults.add(at, "type", "must be of a type that has options in both versions or in none");
        return None;
    }
    if old.unit != new.unit {
        faults.add(at, "unit", "must be a number in the same unit in both versions");
        return None;
    }
    if old.phi && !new.phi {
        faults.add(at, "phi", "must be protected health information in that version, too");
        return None;
    }
    let json = value.to_json();
    // Between two kinds of choice, the other one may have the same option.
    let present = FieldValue::read(new.field_type, &json);
    new.parse(&json, at, present.as_ref()).map_err(|fault| faults.push(fault)).ok()
}

fn fit_entries(
    old: &GroupRule,
    new: &GroupRule,
    entries: &[AnswerEntry],
    at: &str,
    faults: &mut FieldFaults,
) -> Vec<AnswerEntry> {
    if entries.len() > new.max_entries {
        faults.add(at, "max_items", format!("must have at most {} entries", new.max_entries));
    }
    let fit = |entry: &AnswerEntry| fit_entry((old, new), entry, &below(at, &entry.id.to_string()), faults);
    entries.iter().map(fit).collect()
}

fn fit_entry(
    (old, new): (&GroupRule, &GroupRule),
    entry: &AnswerEntry,
    at: &str,
    faults: &mut FieldFaults,
) -> AnswerEntry {
    let mut values = vec![None; new.fields.len()];
    for (GroupFieldRule { key, rule, .. }, value) in old.fields.iter().zip(&entry.values) {
        let Some(value) = value else { continue };
        let at = format!("{at}/{}", key.as_str());
        match new.by_key.get(key.as_str()) {
            Some(place) => values[*place] = fit_value(rule, &new.fields[*place].rule, value, &at, faults),
            None => faults.add(at, "unknown", "is an answer to no field of the group in that version"),
        }
    }
    AnswerEntry { id: entry.id, index: entry.index, values }
}
