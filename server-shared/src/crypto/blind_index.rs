//! Keyed hashes: look-ups on encrypted identifiers, and pseudonyms.
//!
//! A blind index lets a column be searched for an exact value while it is stored encrypted: beside the
//! ciphertext stands the HMAC of the normalized value. The key is its own, so reading the database
//! doesn't allow guessing phone numbers; the organization and the column are part of the hash, so equal
//! values of two tenants or two columns can't be recognized as equal.

use hmac::Mac;

use super::Key32;

/// Hashes identifiers for exact look-up (`BLIND_INDEX_KEY`).
#[derive(Debug)]
pub struct BlindIndex {
    key: Key32,
}

impl BlindIndex {
    /// An index under this key. Another key finds nothing that this one stored.
    pub fn new(key: Key32) -> Self {
        Self { key }
    }

    /// The hash of an already normalized value, for one tenant and column.
    pub fn of(&self, organization_id: i64, column: &str, normalized: &str) -> [u8; 32] {
        self.key
            .mac()
            .chain_update(organization_id.to_be_bytes())
            // The length keeps column and value apart: ("ab", "c") is not ("a", "bc").
            .chain_update((column.len() as u64).to_be_bytes())
            .chain_update(column)
            .chain_update(normalized)
            .finalize()
            .into_bytes()
            .into()
    }
}

/// Turns identifiers into stable pseudonyms (`TELEMETRY_HASH_KEY`): the same person is the same text,
/// and only who has the key can tell which person.
#[derive(Debug)]
pub struct KeyedHash {
    key: Key32,
}

impl KeyedHash {
    /// Hashes under this key.
    pub fn new(key: Key32) -> Self {
        Self { key }
    }

    /// The pseudonym: 64 lower-case hexadecimal digits.
    pub fn hex(&self, value: &str) -> String {
        hex::encode(self.bytes(value))
    }

    /// The pseudonym as it is.
    pub fn bytes(&self, value: &str) -> [u8; 32] {
        self.key.mac().chain_update(value).finalize().into_bytes().into()
    }
}

/// The form of a national identity number that look-ups compare: its letters and digits, in upper case.
pub fn normalize_national_id(id: &str) -> String {
    id.chars().flat_map(char::to_uppercase).filter(|letter| letter.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn index() -> BlindIndex {
        BlindIndex::new(Key32::from_bytes([3; 32]))
    }

    #[test]
    fn a_value_is_found_again_only_where_it_belongs() {
        let found = index().of(1, "phone", "+40721000000");
        assert_eq!(found, index().of(1, "phone", "+40721000000"));
        assert_ne!(found, index().of(2, "phone", "+40721000000"), "another organization");
        assert_ne!(found, index().of(1, "fax", "+40721000000"), "another column");
        assert_ne!(found, index().of(1, "phone", "+40721000001"), "another value");
        assert_ne!(found, index().of(1, "phone+", "40721000000"), "the same letters, cut elsewhere");
        assert_ne!(found, BlindIndex::new(Key32::from_bytes([4; 32])).of(1, "phone", "+40721000000"), "another key");
    }

    #[test]
    fn pseudonyms_are_hmac_sha_256() {
        // RFC 4231's method with a 32-byte key; the value was computed with Python's hmac module.
        let hash = KeyedHash::new(Key32::from_bytes([0x0b; 32]));
        assert_eq!(hash.hex("Hi There"), "198a607eb44bfbc69903a0f1cf2bbdc5ba0aa3f3d9ae3c1c7a3b1696a0b68cf7");
        assert_ne!(hash.hex("42"), KeyedHash::new(Key32::from_bytes([0x0c; 32])).hex("42"));
    }

    #[test]
    fn national_ids() {
        assert_eq!(normalize_national_id(" ab-123.456/c "), "AB123456C");
    }

    proptest! {
        #[test]
        fn normalizing_twice_changes_nothing(text: String) {
            let once = normalize_national_id(&text);
            prop_assert_eq!(normalize_national_id(&once), once);
        }
    }
}
