//! Partial writes: the values that a write changes, its faults, and its conflicts with writes that came before.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    error::ProfileError,
    stored::{Given, ProfileEntry},
};
use crate::domain::{
    field::FieldValue,
    rules::{FieldFaults, StaleVersion, below},
};

/// Value that a write changes.
#[derive(Debug)]
pub(super) struct Change {
    /// Position of the field among the entries.
    pub(super) entry: usize,
    /// New value; `None` removes the present one.
    pub(super) value: Option<FieldValue>,
}

/// Returns the changes of a write that names `values` and is based on the version `base`, in the order of the entries;
/// pointers of faults are below `at`. `current` is the present version.
///
/// A field conflicts if it changed after `base` and has another value now than the write gives it: two writes of one
/// value agree. The same number in another unit is another value.
pub(super) fn changes(
    entries: &[ProfileEntry],
    values: &BTreeMap<String, Value>,
    (base, current): (i64, i64),
    at: &str,
) -> Result<Vec<Change>, ProfileError> {
    let mut faults = FieldFaults::default();
    let mut named = Vec::with_capacity(values.len());
    for (key, value) in values {
        let at = below(at, key);
        let Some((index, entry)) = entries.iter().enumerate().find(|(_, entry)| entry.key.as_str() == key) else {
            faults.add(at, "unknown", "is no field of this profile that you can see");
            continue;
        };
        if entry.archived {
            faults.add(at, "archived", "is an archived field; its value stays as it is");
        } else if !entry.writable {
            faults.add(at, "not_writable", "is a field that your role can't write");
        } else if value.is_null() {
            named.push((index, None));
        } else {
            match entry.definition.parse(value, &at, entry.value()) {
                Ok(value) => named.push((index, Some(value))),
                Err(fault) => faults.push(fault),
            }
        }
    }
    faults.check()?;
    named.retain(|(index, value)| !entries[*index].is(value.as_ref()));
    let changed_since = |given: &Given| given.changed_in > base;
    let conflicts = named.iter().map(|(index, _)| &entries[*index]);
    let conflicts = conflicts.filter(|entry| base > current || entry.given.as_ref().is_some_and(changed_since));
    StaleVersion::check_keys(current, conflicts.map(|entry| entry.key.as_str().to_owned()).collect())?;
    named.sort_unstable_by_key(|(index, _)| *index);
    Ok(named.into_iter().map(|(entry, value)| Change { entry, value }).collect())
}
