//! Keys, envelope encryption, blind indexes and signatures of webhooks.
//!
//! A **master key** (`ENCRYPTION_KEY`) wraps **data keys**, one for each patient or organization, which are stored
//! wrapped in the database; a data key seals single values. Rotating the master key therefore rewraps
//! data keys and touches no sealed value, and destroying one data key ends everything sealed under it,
//! backups and replicas included.

mod blind_index;
mod envelope;
mod webhook;

pub use blind_index::{BlindIndex, KeyedHash, normalize_national_id};
pub use envelope::{Binding, CryptoError, DataKey, MasterKeys, WrappedKey};
pub use webhook::{WebhookError, WebhookSecret};

use std::fmt;

use aes_gcm::aead::Generate;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::zeroize::Zeroize;
use secrecy::{ExposeSecret, SecretBox};
use sha2::Sha256;

/// 32 secret bytes: a key of AES-256 or HMAC-SHA-256. Overwritten in memory when dropped; its
/// `Debug` shows nothing of it.
pub struct Key32(SecretBox<[u8; 32]>);

impl Key32 {
    /// Takes 32 bytes as the key and overwrites the argument's own copy.
    pub fn from_bytes(mut bytes: [u8; 32]) -> Self {
        let key = SecretBox::init_with_mut(|key: &mut [u8; 32]| key.copy_from_slice(&bytes));
        bytes.zeroize();
        Self(key)
    }

    /// Reads 64 hexadecimal digits; `None` for anything else.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let decoded = hex::decode_to_slice(text, &mut bytes);
        let key = Self::from_bytes(bytes);
        bytes.zeroize();
        decoded.ok().map(|()| key)
    }

    /// Copies a slice of exactly 32 bytes; `None` for any other length.
    fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut copy = <[u8; 32]>::try_from(bytes).ok()?;
        let key = Self::from_bytes(copy);
        copy.zeroize();
        Some(key)
    }

    /// Makes a key from the operating system's random source.
    ///
    /// # Panics
    /// If that source fails: a server that can't make keys must not go on.
    pub fn generate() -> Self {
        let mut bytes = <[u8; 32]>::generate();
        let key = Self::from_bytes(bytes);
        bytes.zeroize();
        key
    }

    /// Returns the bytes. The caller is responsible for keeping them secret.
    pub fn expose(&self) -> &[u8; 32] {
        self.0.expose_secret()
    }

    /// Returns a short public name of the key, which reveals nothing of the key.
    pub fn id(&self) -> KeyId {
        let digest = self.mac().chain_update(b"restartix key id").finalize().into_bytes();
        KeyId([digest[0], digest[1], digest[2], digest[3]])
    }

    fn mac(&self) -> Hmac<Sha256> {
        // HMAC pads a key to the block of its hash with zeros; a key of a whole block can't be refused.
        let mut block = [0; 64];
        block[..32].copy_from_slice(self.expose());
        let mac = Hmac::new((&block).into());
        block.zeroize();
        mac
    }
}

impl Clone for Key32 {
    fn clone(&self) -> Self {
        Self::from_bytes(*self.expose())
    }
}

impl fmt::Debug for Key32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key32([redacted])")
    }
}

/// Id of the key of a ciphertext: four bytes derived from the key, written into everything it seals. It only finds the
/// key; the authentication tag proves that it is the right one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 4]);

impl KeyId {
    /// Returns the four bytes as they are written in a ciphertext.
    pub fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_of_the_right_length_only() {
        let text = "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
        assert_eq!(hex::encode(Key32::from_hex(text).unwrap().expose()), text.to_lowercase());
        assert!(Key32::from_hex(&text[2..]).is_none());
        assert!(Key32::from_hex(&format!("{text}00")).is_none());
        assert!(Key32::from_hex(&text.replace("00", "zz")).is_none());
        assert!(Key32::from_hex("").is_none());
    }

    #[test]
    fn debug_shows_nothing_of_the_key() {
        let key = Key32::from_bytes([0xab; 32]);
        let shown = format!("{key:?}");
        assert!(!shown.contains("ab, ") && !shown.contains("171") && !shown.contains("abab"), "{shown}");
    }

    #[test]
    fn ids_belong_to_keys() {
        let (one, two) = (Key32::generate(), Key32::generate());
        assert_ne!(one.expose(), two.expose());
        assert_ne!(one.id(), two.id());
        assert_eq!(one.id(), one.clone().id());
        assert_ne!(one.id().as_bytes(), &one.expose()[..4]);
    }
}
