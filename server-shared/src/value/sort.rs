//! Keys that are stored beside names: for search, for uniqueness and for the order of lists.

use std::{fmt, sync::LazyLock};

use icu_collator::{Collator, CollatorBorrowed, CollatorPreferences, options::CollatorOptions};

use super::fold::folded;

/// Version of the stored keys: of the collation's data, of folding, and of the way in which keys are derived from
/// names.
///
/// Rows with another version are refreshed. A test computes a fingerprint of many keys and fails if a new version of
/// the libraries changes one; increase the constant then.
pub const KEYS_VERSION: i32 = 1;

/// Maximum length of a stored key in bytes. It must fit into a page of an index; within the length of a name, only
/// ligatures that stand for whole phrases exceed it.
const LONGEST: usize = 2048;

/// Sorts below every character, so that `last U+FFFE first` sorts by the last name first (UTS #35, "merge sort keys").
const SEPARATOR: char = '\u{fffe}';

static ROOT: LazyLock<Option<CollatorBorrowed<'static>>> =
    LazyLock::new(|| Collator::try_new(CollatorPreferences::default(), CollatorOptions::default()).ok());

/// Returns bytes whose order is that of `parts` in the Unicode collation (root, CLDR), the first part first.
pub fn sort_key(parts: &[&str]) -> Vec<u8> {
    let mut text = String::new();
    for part in parts {
        if !text.is_empty() {
            text.push(SEPARATOR);
        }
        // A separator within a name must not end the part.
        text.extend(part.chars().filter(|letter| *letter != SEPARATOR));
    }
    let mut key = Vec::with_capacity(3 * text.len());
    match &*ROOT {
        // Writing into memory can't fail.
        Some(collator) => _ = collator.write_sort_key_to(&text, &mut key),
        // Can't happen, because the data is compiled in; the fallback sorts by folded letters.
        None => key.extend_from_slice(folded(&text).as_bytes()),
    }
    key
}

/// Keys of a name, stored in its row.
#[derive(Clone, PartialEq, Eq)]
pub struct NameKeys {
    /// Text that search and unique indexes compare; see [`folded`].
    pub folded: String,
    /// Bytes that lists sort by; see [`sort_key`].
    pub sort: Vec<u8>,
    /// Version of both keys; see [`KEYS_VERSION`].
    pub version: i32,
}

/// Keys tell a name, which may be personal: logs have nothing of them.
impl fmt::Debug for NameKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NameKeys").field("version", &self.version).finish_non_exhaustive()
    }
}

impl NameKeys {
    /// Computes the keys of a name with these parts, in the order in which they sort.
    pub fn of(parts: &[&str]) -> Self {
        let (mut folded, mut sort) = (folded(&parts.join(" ")), sort_key(parts));
        let longest = folded.len().min(LONGEST);
        folded.truncate((0..=longest).rev().find(|end| folded.is_char_boundary(*end)).unwrap_or_default());
        sort.truncate(LONGEST);
        Self { folded, sort, version: KEYS_VERSION }
    }
}
