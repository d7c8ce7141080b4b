//! Differences between two versions of a definition.

use std::collections::{BTreeSet, HashMap};

use poem_openapi::{Enum, Object, types::ToJSON};
use serde_json::{Map, Value};
use server_shared::value::Key;

use super::{
    item::{FieldItem, FormItem, GroupField},
    model::{FormDefinition, FormSection},
    signer::FormSigner,
};

/// Difference between two versions of a form.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct FormChange {
    /// Kind of the change.
    pub(crate) kind: FormChangeKind,
    /// Part of the form that changed.
    pub(crate) part: FormPart,
    /// Key of the part; `signatures` for the signatures.
    pub(crate) key: Key,
    /// Key of the group that the field is in; absent for everything outside of groups.
    pub(crate) group: Option<Key>,
    /// Names of the properties that changed, e.g. `visible_if` or `definition.label`; empty unless `kind` is `changed`,
    /// and for the signatures.
    pub(crate) properties: Vec<String>,
}

/// Kind of a change.
///
/// - `added`: the newer version has it, the older one doesn't
/// - `removed`: the older version has it, the newer one doesn't
/// - `moved`: it is in another section or at another place among the parts that both versions have
/// - `changed`: it has other properties
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum FormChangeKind {
    /// Only the newer version has it.
    Added,
    /// Only the older version has it.
    Removed,
    /// It is at another place.
    Moved,
    /// It has other properties.
    Changed,
}

/// Part of a form.
///
/// - `section`: section
/// - `field`: field, in a group or outside of groups
/// - `group`: group of fields
/// - `text`: text between the fields
/// - `score`: score
/// - `signatures`: signatures that a form needs
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum FormPart {
    /// Section.
    Section,
    /// Field.
    Field,
    /// Group of fields.
    Group,
    /// Text.
    Text,
    /// Score.
    Score,
    /// Signatures.
    Signatures,
}

/// Returns everything that differs between two definitions without faults: sections first, then items, then the fields
/// of each group that both have, and the signatures last. A part is recognized by its key; one that became something
/// else is removed and added.
pub(crate) fn changes(old: &FormDefinition, new: &FormDefinition) -> Vec<FormChange> {
    let mut changes = Vec::new();
    compare(&sections(old), &sections(new), None, &mut changes);
    compare(&items(old), &items(new), None, &mut changes);
    let before: HashMap<&Key, &[GroupField]> = groups(old).collect();
    for (key, fields) in groups(new) {
        if let Some(earlier) = before.get(key) {
            compare(&group_fields(earlier), &group_fields(fields), Some(key), &mut changes);
        }
    }
    changes.extend(signatures(old.signers(), new.signers()));
    changes
}

/// Returns the change of the signatures that a form needs; `None` if they are the same in the same order.
fn signatures(old: &[FormSigner], new: &[FormSigner]) -> Option<FormChange> {
    (old != new).then(|| FormChange {
        kind: FormChangeKind::Changed,
        part: FormPart::Signatures,
        key: Key::from_static("signatures"),
        group: None,
        properties: Vec::new(),
    })
}

fn groups(definition: &FormDefinition) -> impl Iterator<Item = (&Key, &[GroupField])> {
    let items = definition.sections.iter().flat_map(|section| &section.items);
    items.filter_map(|item| Some((&item.key, item.group.as_ref()?.items.as_slice())))
}

/// Part of a definition, as it is compared.
struct Part<'d> {
    kind: FormPart,
    key: &'d Key,
    /// Key of the section that it is in.
    within: Option<&'d Key>,
    properties: Map<String, Value>,
}

fn sections(definition: &FormDefinition) -> Vec<Part<'_>> {
    let mut parts = Vec::with_capacity(definition.sections.len());
    for section in &definition.sections {
        let mut properties = object(&FormSection { items: Vec::new(), ..section.clone() });
        properties.shift_remove("items");
        parts.push(Part { kind: FormPart::Section, key: &section.key, within: None, properties });
    }
    parts
}

fn items(definition: &FormDefinition) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    for section in &definition.sections {
        parts.extend(section.items.iter().filter_map(|item| item_part(item, &section.key)));
    }
    parts
}

fn item_part<'d>(item: &'d FormItem, section: &'d Key) -> Option<Part<'d>> {
    let (kind, mut properties) = match item {
        FormItem { field: Some(field), .. } => (FormPart::Field, field_properties(field)),
        FormItem { group: Some(group), .. } => {
            let mut properties = object(group);
            properties.shift_remove("items");
            (FormPart::Group, properties)
        }
        FormItem { text: Some(text), .. } => (FormPart::Text, object(text)),
        FormItem { score: Some(score), .. } => (FormPart::Score, object(score)),
        _ => return None,
    };
    properties.extend(item.visible_if.to_json().map(|condition| ("visible_if".to_owned(), condition)));
    Some(Part { kind, key: &item.key, within: Some(section), properties })
}

fn group_fields(fields: &[GroupField]) -> Vec<Part<'_>> {
    let mut parts = Vec::with_capacity(fields.len());
    for GroupField { key, visible_if, field } in fields {
        let mut properties = field_properties(field);
        properties.extend(visible_if.to_json().map(|condition| ("visible_if".to_owned(), condition)));
        parts.push(Part { kind: FormPart::Field, key, within: None, properties });
    }
    parts
}

/// Returns the properties of a field, with those of its definition one by one.
fn field_properties(field: &FieldItem) -> Map<String, Value> {
    let mut properties = object(field);
    if let Some(Value::Object(definition)) = properties.shift_remove("definition") {
        properties.extend(definition.into_iter().map(|(name, value)| (format!("definition.{name}"), value)));
    }
    properties
}

fn object(part: &impl ToJSON) -> Map<String, Value> {
    match part.to_json() {
        Some(Value::Object(properties)) => properties,
        _ => Map::new(),
    }
}

fn compare(old: &[Part<'_>], new: &[Part<'_>], group: Option<&Key>, changes: &mut Vec<FormChange>) {
    let mut add = |kind, part: &Part<'_>, properties| {
        changes.push(FormChange { kind, part: part.kind, key: part.key.clone(), group: group.cloned(), properties });
    };
    let index = |parts: &[Part<'_>]| -> HashMap<Key, usize> {
        parts.iter().enumerate().map(|(place, part)| (part.key.clone(), place)).collect()
    };
    let (before, after) = (index(old), index(new));
    let stays = |part: &Part<'_>, places: &HashMap<Key, usize>, others: &[Part<'_>]| {
        places.get(part.key).copied().filter(|place| others[*place].kind == part.kind)
    };
    for part in old.iter().filter(|part| stays(part, &after, new).is_none()) {
        add(FormChangeKind::Removed, part, Vec::new());
    }
    // Only parts that had to be moved are reported, not those that others were moved past.
    let earlier: Vec<Option<usize>> = new.iter().map(|part| stays(part, &before, old)).collect();
    let places: Vec<usize> = earlier.iter().copied().flatten().collect();
    let in_order: BTreeSet<usize> = longest_increasing(&places).into_iter().collect();
    for (part, earlier) in new.iter().zip(earlier) {
        let Some(place) = earlier else {
            add(FormChangeKind::Added, part, Vec::new());
            continue;
        };
        if old[place].within != part.within || !in_order.contains(&place) {
            add(FormChangeKind::Moved, part, Vec::new());
        }
        let properties = differing(&old[place].properties, &part.properties);
        if !properties.is_empty() {
            add(FormChangeKind::Changed, part, properties);
        }
    }
}

/// Returns the names of properties that differ, in the order of the newer ones, then those that are gone.
fn differing(old: &Map<String, Value>, new: &Map<String, Value>) -> Vec<String> {
    let changed = new.iter().filter(|(name, value)| old.get(*name) != Some(value)).map(|(name, _)| name);
    let gone = old.keys().filter(|name| !new.contains_key(*name));
    changed.chain(gone).cloned().collect()
}

/// Returns a longest increasing subsequence of different numbers.
fn longest_increasing(numbers: &[usize]) -> Vec<usize> {
    // Places of the smallest last numbers of the subsequences of each length, and the place before each place.
    let (mut ends, mut before): (Vec<usize>, Vec<Option<usize>>) = (Vec::new(), Vec::with_capacity(numbers.len()));
    for (place, number) in numbers.iter().enumerate() {
        let length = ends.partition_point(|end| numbers[*end] < *number);
        before.push(length.checked_sub(1).and_then(|shorter| ends.get(shorter).copied()));
        if length == ends.len() {
            ends.push(place);
        } else {
            ends[length] = place;
        }
    }
    let mut sequence: Vec<usize> =
        std::iter::successors(ends.last().copied(), |place| before[*place]).map(|place| numbers[place]).collect();
    sequence.reverse();
    sequence
}
