//! AES-256-GCM in envelope form: master keys wrap data keys, data keys seal values.
//!
//! Both kinds of ciphertext have one layout, `version (1) · key id (4) · nonce (12) · ciphertext and tag`,
//! and authenticate their header, their purpose and their [`Binding`] along with the content: a byte
//! changed anywhere, or a value copied to another row, doesn't open. Nonces are 96 random bits; a key
//! may seal 2³² values before their repetition becomes a concern, far beyond one patient's data.

use aes_gcm::aead::{Aead, Generate, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use secrecy::zeroize::Zeroizing;
use thiserror::Error;

use super::{Key32, KeyId};

const VERSION: u8 = 1;
const HEADER: usize = 1 + 4;
const NONCE: usize = 12;
const TAG: usize = 16;

/// The purposes keep the two kinds of ciphertext apart even where a key is shared by mistake.
const WRAP: &[u8] = b"restartix wrapped data key";
const SEAL: &[u8] = b"restartix sealed value";

/// Place that a value belongs to. It is authenticated, not stored: a ciphertext opens only for the place that it was
/// sealed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding<'a> {
    /// The tenant.
    pub organization_id: i64,
    /// The table's name.
    pub table: &'a str,
    /// The column's name.
    pub column: &'a str,
    /// The row's key as text; composite keys need an unambiguous form of the caller's choice.
    pub row: &'a str,
}

/// Reason why a ciphertext can't be opened. Holds nothing of keys or content.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum CryptoError {
    /// Shorter than any ciphertext: no ciphertext, or a truncated one.
    #[error("the ciphertext is too short to be one")]
    TooShort,
    /// Made by another version of this code.
    #[error("the ciphertext has the unknown version {0}")]
    UnknownVersion(u8),
    /// Made with a key that is not available: a master key missing from `ENCRYPTION_KEYS_OLD`, or another data key.
    #[error("the ciphertext was made with the key {0}, which is not available")]
    UnknownKey(KeyId),
    /// Altered, or moved from the place it was sealed for.
    #[error("the ciphertext was altered or belongs to another place")]
    Refused,
    /// Opened, but the content is not the UTF-8 text that was expected.
    #[error("the opened value is not text")]
    NotText,
}

/// `ENCRYPTION_KEY`, which wraps new data keys, and `ENCRYPTION_KEYS_OLD`, which still unwrap.
#[derive(Debug)]
pub struct MasterKeys {
    current: MasterKey,
    old: Vec<MasterKey>,
}

/// A master key and its id. The id is kept because it is used with each data key and costs a hash.
#[derive(Debug)]
struct MasterKey {
    key: Key32,
    id: KeyId,
}

impl From<Key32> for MasterKey {
    fn from(key: Key32) -> Self {
        let id = key.id();
        Self { key, id }
    }
}

impl MasterKeys {
    /// Takes the current key and the former ones.
    pub fn new(current: Key32, old: Vec<Key32>) -> Self {
        Self { current: current.into(), old: old.into_iter().map(MasterKey::from).collect() }
    }

    /// Makes a random data key, and its wrapped form to store at `binding`.
    pub fn generate_data_key(&self, binding: &Binding<'_>) -> (DataKey, WrappedKey) {
        let key = DataKey::new(Key32::generate());
        let wrapped = self.wrap(&key, binding);
        (key, wrapped)
    }

    /// Opens a stored data key, whichever master key wrapped it.
    pub fn unwrap(&self, wrapped: &[u8], binding: &Binding<'_>) -> Result<DataKey, CryptoError> {
        let parts = Parts::read(wrapped)?;
        let mut result = Err(CryptoError::UnknownKey(parts.key_id));
        // Ids are short, so two master keys may have the same one: each of them is tried.
        for master in std::iter::once(&self.current).chain(&self.old).filter(|master| master.id == parts.key_id) {
            match parts.open(&master.key, WRAP, binding) {
                Ok(bytes) => {
                    let bytes = Zeroizing::new(bytes);
                    return Key32::from_slice(&bytes).map(DataKey::new).ok_or(CryptoError::Refused);
                }
                Err(error) => result = Err(error),
            }
        }
        result
    }

    /// Wraps a data key under the current master key, for rotation. Returns `None` if it already is.
    pub fn rewrap(&self, wrapped: &[u8], binding: &Binding<'_>) -> Result<Option<WrappedKey>, CryptoError> {
        let key = self.unwrap(wrapped, binding)?;
        if Parts::read(wrapped)?.key_id == self.current_key_id() {
            return Ok(None);
        }
        Ok(Some(self.wrap(&key, binding)))
    }

    /// Returns the id that newly wrapped keys carry.
    pub fn current_key_id(&self) -> KeyId {
        self.current.id
    }

    /// Returns the ids of the former keys, whose data keys rotation has to find.
    pub fn old_key_ids(&self) -> impl Iterator<Item = KeyId> {
        self.old.iter().map(|master| master.id).filter(|id| *id != self.current.id)
    }

    fn wrap(&self, key: &DataKey, binding: &Binding<'_>) -> WrappedKey {
        WrappedKey(encrypt(&self.current.key, self.current.id, WRAP, key.key.expose(), binding))
    }
}

/// A data key under a master key, ready to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey(Vec<u8>);

impl WrappedKey {
    /// Returns the bytes to store.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl AsRef<[u8]> for WrappedKey {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Key that seals the values of one person or organization.
#[derive(Clone, Debug)]
pub struct DataKey {
    key: Key32,
    id: KeyId,
}

impl DataKey {
    fn new(key: Key32) -> Self {
        let id = key.id();
        Self { key, id }
    }

    /// Returns the id that sealed values carry.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Encrypts a value for one place. Sealing the same value again gives other bytes.
    pub fn seal(&self, plain: &[u8], binding: &Binding<'_>) -> Vec<u8> {
        encrypt(&self.key, self.id, SEAL, plain, binding)
    }

    /// Decrypts a value that was sealed by this key for this place.
    pub fn open(&self, sealed: &[u8], binding: &Binding<'_>) -> Result<Vec<u8>, CryptoError> {
        let parts = Parts::read(sealed)?;
        if parts.key_id != self.id {
            return Err(CryptoError::UnknownKey(parts.key_id));
        }
        parts.open(&self.key, SEAL, binding)
    }

    /// [`DataKey::seal`] for text.
    pub fn seal_text(&self, plain: &str, binding: &Binding<'_>) -> Vec<u8> {
        self.seal(plain.as_bytes(), binding)
    }

    /// [`DataKey::open`] for text.
    pub fn open_text(&self, sealed: &[u8], binding: &Binding<'_>) -> Result<String, CryptoError> {
        String::from_utf8(self.open(sealed, binding)?).map_err(|_| CryptoError::NotText)
    }
}

/// Parts of a ciphertext that is not authenticated yet.
struct Parts<'a> {
    key_id: KeyId,
    header: &'a [u8; HEADER],
    nonce: &'a [u8; NONCE],
    body: &'a [u8],
}

impl<'a> Parts<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, CryptoError> {
        let (header, rest) = bytes.split_first_chunk::<HEADER>().ok_or(CryptoError::TooShort)?;
        let (nonce, body) = rest.split_first_chunk::<NONCE>().ok_or(CryptoError::TooShort)?;
        if body.len() < TAG {
            return Err(CryptoError::TooShort);
        }
        let [version, key_id @ ..] = *header;
        if version != VERSION {
            return Err(CryptoError::UnknownVersion(version));
        }
        Ok(Self { key_id: KeyId(key_id), header, nonce, body })
    }

    fn open(&self, key: &Key32, purpose: &[u8], binding: &Binding<'_>) -> Result<Vec<u8>, CryptoError> {
        let aad = associated_data(self.header, purpose, binding);
        Aes256Gcm::new(key.expose().into())
            .decrypt(self.nonce.into(), Payload { msg: self.body, aad: &aad })
            .map_err(|_| CryptoError::Refused)
    }
}

#[expect(clippy::expect_used, reason = "AES-GCM refuses only plaintexts of 64 GiB and more")]
fn encrypt(key: &Key32, id: KeyId, purpose: &[u8], plain: &[u8], binding: &Binding<'_>) -> Vec<u8> {
    let mut header = [VERSION; HEADER];
    header[1..].copy_from_slice(id.as_bytes());
    let nonce = <[u8; NONCE]>::generate();
    let aad = associated_data(&header, purpose, binding);
    let body = Aes256Gcm::new(key.expose().into())
        .encrypt(&nonce.into(), Payload { msg: plain, aad: &aad })
        .expect("a plaintext under 64 GiB");
    [&header[..], &nonce, &body].concat()
}

/// Returns the associated data. Every part is preceded by its length, so that two bindings never have the same bytes.
fn associated_data(header: &[u8], purpose: &[u8], binding: &Binding<'_>) -> Vec<u8> {
    let organization = binding.organization_id.to_be_bytes();
    let parts: [&[u8]; 6] =
        [header, purpose, &organization, binding.table.as_bytes(), binding.column.as_bytes(), binding.row.as_bytes()];
    let mut data = Vec::with_capacity(parts.iter().map(|part| 8 + part.len()).sum());
    for part in parts {
        data.extend_from_slice(&(part.len() as u64).to_be_bytes());
        data.extend_from_slice(part);
    }
    data
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;

    const PLACE: Binding<'static> = Binding { organization_id: 7, table: "patients", column: "phone", row: "42" };

    fn masters() -> MasterKeys {
        MasterKeys::new(Key32::from_bytes([1; 32]), vec![])
    }

    fn data_key() -> DataKey {
        masters().generate_data_key(&PLACE).0
    }

    fn binding((organization_id, table, column, row): &(i64, String, String, String)) -> Binding<'_> {
        Binding { organization_id: *organization_id, table, column, row }
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens(plain: Vec<u8>, organization_id: i64, table: String, column: String, row: String) {
            let binding = Binding { organization_id, table: &table, column: &column, row: &row };
            let key = data_key();
            let sealed = key.seal(&plain, &binding);
            prop_assert_eq!(sealed.len(), HEADER + NONCE + plain.len() + TAG);
            prop_assert_eq!(key.open(&sealed, &binding), Ok(plain));
        }

        #[test]
        fn text_comes_back(plain: String) {
            let key = data_key();
            prop_assert_eq!(key.open_text(&key.seal_text(&plain, &PLACE), &PLACE), Ok(plain));
        }

        #[test]
        fn a_flipped_bit_anywhere_is_refused(plain: Vec<u8>, byte: Index, bit in 0..8_u32) {
            let (key, wrapped) = masters().generate_data_key(&PLACE);
            let mut sealed = key.seal(&plain, &PLACE);
            let at = byte.index(sealed.len());
            sealed[at] ^= 1 << bit;
            prop_assert!(key.open(&sealed, &PLACE).is_err());

            let mut wrapped = wrapped.into_bytes();
            let at = byte.index(wrapped.len());
            wrapped[at] ^= 1 << bit;
            prop_assert!(masters().unwrap(&wrapped, &PLACE).is_err());
        }

        #[test]
        fn a_cut_ciphertext_is_refused(plain: Vec<u8>, end: Index) {
            let key = data_key();
            let sealed = key.seal(&plain, &PLACE);
            prop_assert!(key.open(&sealed[..end.index(sealed.len())], &PLACE).is_err());
        }

        #[test]
        fn arbitrary_bytes_never_open(bytes: Vec<u8>) {
            prop_assert!(data_key().open(&bytes, &PLACE).is_err());
            prop_assert!(masters().unwrap(&bytes, &PLACE).is_err());
        }

        #[test]
        fn another_place_is_refused(one: (i64, String, String, String), two: (i64, String, String, String)) {
            prop_assume!(one != two);
            let key = data_key();
            prop_assert_eq!(key.open(&key.seal(b"x", &binding(&one)), &binding(&two)), Err(CryptoError::Refused));
        }
    }

    #[test]
    fn each_part_of_the_place_counts() {
        let key = data_key();
        let sealed = key.seal(b"x", &PLACE);
        for other in [
            Binding { organization_id: 8, ..PLACE },
            Binding { table: "people", ..PLACE },
            Binding { column: "email", ..PLACE },
            Binding { row: "43", ..PLACE },
            // The same letters, cut elsewhere.
            Binding { table: "patientsp", column: "hone", ..PLACE },
            Binding { column: "phone4", row: "2", ..PLACE },
        ] {
            assert_eq!(key.open(&sealed, &other), Err(CryptoError::Refused), "{other:?}");
        }
    }

    #[test]
    fn other_keys_are_refused() {
        let (one, two) = (data_key(), data_key());
        assert_eq!(two.open(&one.seal(b"x", &PLACE), &PLACE), Err(CryptoError::UnknownKey(one.id())));
        // Even where the ids would be the same, the tag decides.
        let posing = DataKey { key: two.key, id: one.id };
        assert_eq!(posing.open(&one.seal(b"x", &PLACE), &PLACE), Err(CryptoError::Refused));
    }

    #[test]
    fn sealing_twice_gives_two_ciphertexts() {
        let key = data_key();
        assert_ne!(key.seal(b"x", &PLACE), key.seal(b"x", &PLACE));
    }

    #[test]
    fn a_wrapped_key_is_no_sealed_value() {
        // One key in both roles, as a careless configuration could have it.
        let shared = DataKey::new(Key32::from_bytes([1; 32]));
        let (_, wrapped) = masters().generate_data_key(&PLACE);
        assert_eq!(shared.open(wrapped.as_ref(), &PLACE), Err(CryptoError::Refused));
    }

    #[test]
    fn rotation_rewraps_and_touches_no_value() {
        let before = masters();
        let (key, wrapped) = before.generate_data_key(&PLACE);
        let sealed = key.seal(b"x", &PLACE);
        assert_eq!(before.rewrap(wrapped.as_ref(), &PLACE), Ok(None));

        // The current key among the old ones too, as a configuration may have it: it is no old one.
        let after =
            MasterKeys::new(Key32::from_bytes([2; 32]), vec![Key32::from_bytes([1; 32]), Key32::from_bytes([2; 32])]);
        assert_eq!(after.old_key_ids().collect::<Vec<_>>(), [before.current_key_id()]);
        assert_eq!(after.unwrap(wrapped.as_ref(), &PLACE).unwrap().open(&sealed, &PLACE), Ok(b"x".to_vec()));
        let rewrapped = after.rewrap(wrapped.as_ref(), &PLACE).unwrap().expect("the key was under the old master");

        let without_old = MasterKeys::new(Key32::from_bytes([2; 32]), vec![]);
        assert_eq!(
            without_old.unwrap(wrapped.as_ref(), &PLACE).unwrap_err(),
            CryptoError::UnknownKey(before.current_key_id())
        );
        let key = without_old.unwrap(rewrapped.as_ref(), &PLACE).unwrap();
        assert_eq!(key.open(&sealed, &PLACE), Ok(b"x".to_vec()));
        assert_eq!(
            without_old.unwrap(rewrapped.as_ref(), &Binding { row: "43", ..PLACE }).unwrap_err(),
            CryptoError::Refused
        );
    }

    #[test]
    fn an_unknown_version_is_named() {
        let key = data_key();
        let mut sealed = key.seal(b"x", &PLACE);
        sealed[0] = 9;
        assert_eq!(key.open(&sealed, &PLACE), Err(CryptoError::UnknownVersion(9)));
    }
}
