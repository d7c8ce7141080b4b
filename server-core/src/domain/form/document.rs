//! Answers of a form as they are sealed until its first signature.

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};
use poem_openapi::{Object, types::Example};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use server_shared::mark::Phi;
use uuid::Uuid;

use super::row::FormRow;
use crate::{
    database::DatabaseError,
    domain::{form_definition::PatchedPlace, rules::InvalidValue},
    encryption::OpenKey,
    ids::FormId,
};

/// Table that sealed values of forms are bound to.
pub(super) const TABLE: &str = "forms";
/// Name that the sealed document is bound to, and that an export shows it under.
const DOCUMENT: &str = "document";
/// Name that the sealed content of a signed form is bound to, and that an export shows it under.
pub(super) const CONTENT: &str = "content";
/// Table of reasons for which forms are void.
pub(super) const VOIDS: &str = "form_voids";
/// Name that the sealed reason is bound to, and that an export shows it under.
pub(super) const REASON: &str = "reason";
/// Maximum size in bytes of the document of a form: a thousand long answers.
const LARGEST: usize = 2 * 1024 * 1024;
/// Number of deleted entries whose deletion is remembered each by itself.
const DELETED_KEPT: usize = 1000;

/// Answers of a form that is not signed, with the saves that brought them.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct FormDocument {
    /// Answers in the form of `Compiled::write`, those to hidden fields included.
    pub(super) answers: Map<String, Value>,
    /// Versions of the form that last changed each answer, also one that was removed: by `field`, `group/entry/field`,
    /// and `group/entry` for an entry that was deleted, or added without an answer.
    pub(super) changed_in: BTreeMap<String, i64>,
    /// Origins of the answers that nobody has changed since the form was created.
    pub(super) prefilled: BTreeMap<String, FilledFrom>,
    /// Version of the last deletion of an entry that is no longer in `changed_in`, where there would be too many.
    #[serde(default)]
    pub(super) forgotten: i64,
}

/// Hides the answers.
impl fmt::Debug for FormDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FormDocument(…)")
    }
}

/// Origin of an answer that was there from the beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct FilledFrom {
    /// Name of the attribute of the patient's record, e.g. `phone`; absent if the origin is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) patient: Option<String>,
    /// Key of the custom field in the patient's profile; absent if the origin is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) profile: Option<String>,
    /// Id of the signed form that this one amends; absent if the origin is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) form_id: Option<FormId>,
    /// Time at which the answer was taken over.
    pub(crate) at: DateTime<Utc>,
}

impl Example for FilledFrom {
    fn example() -> Self {
        Self {
            patient: None,
            profile: Some("dominant_hand".to_owned()),
            form_id: None,
            at: DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_500),
        }
    }
}

impl FormDocument {
    /// Creates the document of a new form, which begins with `answers`.
    pub(super) fn begun(answers: Map<String, Value>, prefilled: BTreeMap<String, FilledFrom>) -> Self {
        let changed_in = places(&answers).into_iter().map(|place| (place, 1)).collect();
        Self { answers, changed_in, prefilled, forgotten: 0 }
    }

    /// Opens the document of a form.
    pub(super) fn open(row: &FormRow, key: &OpenKey) -> Result<Self, DatabaseError> {
        let text = key.row(TABLE, row.summary.uid).open(DOCUMENT, row.document_encrypted.as_deref())?;
        let text = text.map(Phi::into_inner).unwrap_or_default();
        serde_json::from_str(&text)
            .map_err(|_| DatabaseError::Damaged(format!("no answers can be read of form {}", row.summary.uid)))
    }

    /// Takes the answers and their origins from the content of a signed form.
    pub(super) fn of_content(content: &Value) -> Self {
        let answers = content.get("values").and_then(Value::as_object).cloned().unwrap_or_default();
        let prefilled = content.get("prefilled").cloned().unwrap_or_default();
        let prefilled = serde_json::from_value(prefilled).unwrap_or_default();
        Self { answers, prefilled, ..Self::default() }
    }

    /// Seals the document for the row with this `uid`. Fails if the answers take more room than a form has.
    pub(super) fn seal(&self, uid: Uuid, key: &OpenKey) -> Result<Vec<u8>, InvalidValue> {
        // Maps with keys that are text can be written.
        let text = serde_json::to_string(self).unwrap_or_default();
        if text.len() > LARGEST {
            let message = "must take less room: all answers of a form have 2 MiB together";
            return Err(InvalidValue::new("/values", "too_large", message));
        }
        Ok(key.row(TABLE, uid).seal(DOCUMENT, Some(&text)).unwrap_or_default())
    }

    /// Notes that the version `version` of the form has changed an answer, or deleted an entry.
    pub(super) fn change(&mut self, place: &PatchedPlace, version: i64) {
        if place.deleted {
            let below = format!("{}/", place.place);
            self.changed_in.retain(|other, _| !other.starts_with(&below));
        }
        self.changed_in.insert(place.place.clone(), version);
        self.prefilled.remove(first(&place.place));
    }

    /// Forgets the oldest deletions of entries, if there are too many, and keeps the version of the last one.
    pub(super) fn forget(&mut self) {
        let mut deleted: Vec<i64> =
            self.changed_in.iter().filter(|(place, _)| is_entry(place)).map(|(_, version)| *version).collect();
        let Some(excess) = deleted.len().checked_sub(DELETED_KEPT).filter(|excess| *excess > 0) else { return };
        deleted.sort_unstable();
        let last = deleted[excess - 1];
        self.changed_in.retain(|place, version| !is_entry(place) || *version > last);
        self.forgotten = self.forgotten.max(last);
    }

    /// Returns `true` if somebody has changed the answer at a place after the version `base`, or what it belongs to:
    /// a write into an entry meets its deletion, and a deletion meets every later write into the entry.
    pub(super) fn is_changed_after(&self, place: &PatchedPlace, base: i64) -> bool {
        let at = |place: &str| self.changed_in.get(place).is_some_and(|version| *version > base);
        let path = place.place.as_str();
        let Some(entry) = entry(path) else { return at(path) };
        if at(path) || at(entry) {
            return true;
        }
        let below = format!("{entry}/");
        let mut written = self.changed_in.range(below.clone()..).take_while(|(other, _)| other.starts_with(&below));
        if place.deleted {
            return written.any(|(_, version)| *version > base);
        }
        // An entry that nothing is known of may have been deleted.
        self.forgotten > base && written.next().is_none()
    }
}

/// Returns the key of the field or group that a place belongs to.
pub(super) fn first(place: &str) -> &str {
    place.split_once('/').map_or(place, |(first, _)| first)
}

/// Returns `true` if a place is an entry of a group.
pub(super) fn is_entry(place: &str) -> bool {
    place.split('/').count() == 2
}

/// Returns the entry that a place is or belongs to; `None` outside of groups.
fn entry(place: &str) -> Option<&str> {
    let (group, rest) = place.split_once('/')?;
    let id = rest.split_once('/').map_or(rest, |(id, _)| id);
    place.get(..group.len() + 1 + id.len())
}

/// Returns the places of answers: `field`, and `group/entry/field` in groups.
fn places(answers: &Map<String, Value>) -> Vec<String> {
    let mut places = Vec::with_capacity(answers.len());
    for (key, value) in answers {
        // A list of objects is the answer to a group; the keys of chosen options are texts.
        let entries = value.as_array().into_iter().flatten().filter_map(Value::as_object);
        let mut is_group = false;
        for entry in entries {
            is_group = true;
            let id = entry.get("id").and_then(Value::as_str).unwrap_or_default();
            places.extend(entry.keys().filter(|field| *field != "id").map(|field| format!("{key}/{id}/{field}")));
        }
        if !is_group {
            places.push(key.clone());
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn place(place: &str, deleted: bool) -> PatchedPlace {
        PatchedPlace { place: place.to_owned(), changed: true, deleted }
    }

    fn document(changed_in: &[(&str, i64)]) -> FormDocument {
        let changed_in = changed_in.iter().map(|(place, version)| ((*place).to_owned(), *version)).collect();
        FormDocument { changed_in, ..FormDocument::default() }
    }

    #[test]
    fn a_write_meets_later_changes_of_the_same_answer_alone() {
        let document = document(&[("pain", 4), ("note", 2)]);
        assert!(document.is_changed_after(&place("pain", false), 3));
        assert!(!document.is_changed_after(&place("pain", false), 4));
        assert!(!document.is_changed_after(&place("note", false), 3));
        assert!(!document.is_changed_after(&place("new", false), 1));
    }

    #[test]
    fn deletions_and_writes_of_an_entry_meet_each_other() {
        let document = document(&[("drugs/a", 4), ("drugs/b/name", 4), ("drugs/bb/name", 9)]);
        assert!(document.is_changed_after(&place("drugs/a/name", false), 3));
        assert!(!document.is_changed_after(&place("drugs/a/name", false), 4));
        assert!(document.is_changed_after(&place("drugs/b", true), 3));
        assert!(!document.is_changed_after(&place("drugs/b", true), 4));
        assert!(!document.is_changed_after(&place("drugs/b/since", false), 3));
    }

    #[test]
    fn a_deletion_takes_the_place_of_the_answers_of_its_entry() {
        let mut document = document(&[("drugs/a/name", 2), ("drugs/ab/name", 2), ("pain", 1)]);
        document.change(&place("drugs/a", true), 5);
        let left: Vec<_> = document.changed_in.iter().map(|(place, version)| (place.as_str(), *version)).collect();
        assert_eq!(left, [("drugs/a", 5), ("drugs/ab/name", 2), ("pain", 1)]);
    }

    #[test]
    fn deletions_that_are_forgotten_still_meet_writes_into_unknown_entries() {
        let mut document = document(&[("drugs/kept/name", 1)]);
        for number in 0..=DELETED_KEPT {
            document.change(&place(&format!("drugs/{number:04}"), true), 10 + i64::try_from(number).unwrap());
        }
        document.forget();
        assert_eq!(document.forgotten, 10);
        assert_eq!(document.changed_in.len(), DELETED_KEPT + 1);
        assert!(document.is_changed_after(&place("drugs/0000/name", false), 9));
        assert!(!document.is_changed_after(&place("drugs/0000/name", false), 10));
        assert!(!document.is_changed_after(&place("drugs/kept/name", false), 9));
    }

    #[test]
    fn the_first_answers_are_changes_of_the_first_version() {
        let answers = json!({ "hands": ["left"], "none": [], "drugs": [{ "id": "a", "name": "x" }, { "id": "b" }] });
        let answers = answers.as_object().cloned().unwrap_or_default();
        let document = FormDocument::begun(answers, BTreeMap::new());
        let places: Vec<_> = document.changed_in.keys().map(String::as_str).collect();
        assert_eq!(places, ["drugs/a/name", "hands", "none"]);
    }
}
