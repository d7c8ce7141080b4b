//! Statements: facts that we sign once, and that anybody can verify as long as the public key is known. Unlike tokens
//! they never expire and grant no access.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::signer::{Ed25519Signer, SignError, key_id, public_jwk};

/// Signs statements, and verifies those of present and former keys.
pub struct Statements {
    signer: Ed25519Signer,
    /// Public keys by their names.
    keys: BTreeMap<String, [u8; 32]>,
}

impl Statements {
    /// Signs with `signer`. `former` are the public halves of keys that signed before it, as the `x` of
    /// their JWK.
    pub fn new<T: AsRef<str>>(signer: Ed25519Signer, former: &[T]) -> Result<Self, SignError> {
        let mut keys = BTreeMap::from([(signer.kid().to_owned(), signer.public())]);
        for key in former {
            let public = URL_SAFE_NO_PAD.decode(key.as_ref()).map_err(|_| SignError::Key)?;
            let public = <[u8; 32]>::try_from(public).map_err(|_| SignError::Key)?;
            keys.insert(key_id(&public), public);
        }
        Ok(Self { signer, keys })
    }

    /// Signs a statement as a compact JWS.
    pub fn sign<C: Serialize>(&self, claims: &C) -> Result<String, SignError> {
        self.signer.sign(claims)
    }

    /// Returns the name of the key that signs.
    pub fn kid(&self) -> &str {
        self.signer.kid()
    }

    /// Returns the content of a statement that one of these keys signed.
    pub fn verify<C: DeserializeOwned + Clone>(&self, statement: &str) -> Option<C> {
        let header = decode_header(statement).ok()?;
        let public = self.keys.get(header.kid.as_deref()?)?;
        let key = DecodingKey::from_ed_components(&URL_SAFE_NO_PAD.encode(public)).ok()?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        decode::<C>(statement, &key, &validation).ok().map(|statement| statement.claims)
    }

    /// Returns every key as a JWKS.
    pub fn jwks(&self) -> Value {
        json!({ "keys": self.keys.values().map(public_jwk).collect::<Vec<Value>>() })
    }
}

impl fmt::Debug for Statements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Statements").field("kid", &self.kid()).finish_non_exhaustive()
    }
}
