//! Secrets that this service generates: shown once, then recognized only by their keyed hash.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use server_shared::{
    crypto::{Key32, KeyedHash},
    mark::ShownOnce,
};

/// Number of characters of a secret that are stored and shown, to tell secrets apart.
const SHOWN: usize = 8;

/// Generates and recognizes secrets of one kind, e.g. `rxkey_…`.
pub(crate) struct Secrets {
    kind: &'static str,
    pepper: KeyedHash,
}

/// Newly generated secret.
pub(crate) struct NewSecret {
    /// The secret itself, for the one answer that shows it.
    pub(crate) secret: ShownOnce<String>,
    /// Beginning of the secret, which may be shown at any time.
    pub(crate) prefix: String,
    /// Keyed hash of the secret, which is stored.
    pub(crate) hash: Vec<u8>,
}

impl Secrets {
    /// Builds the generator of secrets that begin with `kind`, hashed with `pepper` (`API_KEY_PEPPER`). The kind is
    /// part of the hash, so that a secret never matches one of another kind.
    pub(crate) fn new(kind: &'static str, pepper: Key32) -> Self {
        Self { kind, pepper: KeyedHash::new(pepper) }
    }

    /// Generates a secret of 256 random bits.
    pub(crate) fn make(&self) -> NewSecret {
        let random = URL_SAFE_NO_PAD.encode(Key32::generate().expose());
        let secret = format!("{}{random}", self.kind);
        let prefix = secret.chars().take(self.kind.len() + SHOWN).collect();
        NewSecret { prefix, hash: self.hash(&secret), secret: ShownOnce::new(secret) }
    }

    /// Returns true if a text has the prefix of this kind.
    pub(crate) fn claims(&self, text: &str) -> bool {
        text.starts_with(self.kind)
    }

    /// Returns the keyed hash of a secret.
    pub(crate) fn hash(&self, secret: &str) -> Vec<u8> {
        self.pepper.bytes(secret).to_vec()
    }
}

#[cfg(test)]
mod tests {
    use poem_openapi::types::ToJSON;
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_secret_is_known_by_its_hash_and_shown_by_its_prefix() {
        let secrets = Secrets::new("rxkey_", Key32::generate());
        let (one, two) = (secrets.make(), secrets.make());
        let Some(Value::String(shown)) = one.secret.to_json() else { panic!("an answer shows it") };
        assert_eq!(one.hash, secrets.hash(&shown));
        assert_ne!(one.hash, two.hash);
        assert!(shown.starts_with(&one.prefix) && secrets.claims(&shown));
        assert_eq!((one.prefix.len(), shown.len()), (14, 49));
        assert_ne!(Secrets::new("rxkey_", Key32::generate()).hash(&shown), one.hash);
    }
}
