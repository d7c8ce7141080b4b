//! Our own tokens: signed with Ed25519, the key published as a JWKS.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::pem_lines;

/// Reason why a token could not be made.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SignError {
    /// The PEM holds no Ed25519 private key.
    #[error("not an Ed25519 private key in PKCS#8 PEM form (openssl genpkey -algorithm ed25519)")]
    Key,
    /// The claims can't be written as JSON.
    #[error("the claims can't be written as JSON")]
    Claims,
}

/// Signs tokens (`TELEMETRY_TOKEN_KEY`).
pub struct Ed25519Signer {
    key: EncodingKey,
    public: [u8; 32],
    kid: String,
}

impl Ed25519Signer {
    /// Reads the private key from its PEM, as OpenSSL writes it; literal `\n` is allowed for line ends.
    pub fn from_pkcs8_pem(pem: &str) -> Result<Self, SignError> {
        let key = EncodingKey::from_ed_pem(pem_lines(pem).as_bytes()).map_err(|_| SignError::Key)?;
        let jwk = Jwk::from_encoding_key(&key, Algorithm::EdDSA).map_err(|_| SignError::Key)?;
        let AlgorithmParameters::OctetKeyPair(pair) = jwk.algorithm else { return Err(SignError::Key) };
        let public = URL_SAFE_NO_PAD.decode(pair.x).map_err(|_| SignError::Key)?;
        let public = <[u8; 32]>::try_from(public).map_err(|_| SignError::Key)?;
        Ok(Self { key, public, kid: key_id(&public) })
    }

    /// A token with these claims; `iss`, `exp` and the like are the caller's to set.
    pub fn sign<C: Serialize>(&self, claims: &C) -> Result<String, SignError> {
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.kid.clone());
        encode(&header, claims, &self.key).map_err(|_| SignError::Claims)
    }

    /// The key's public name: the first 16 hexadecimal digits of SHA-256 of the 32-byte public key.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Returns the public half of the key.
    pub(super) fn public(&self) -> [u8; 32] {
        self.public
    }

    /// Returns the document for `/.well-known/jwks.json`.
    pub fn jwks(&self) -> Value {
        json!({ "keys": [public_jwk(&self.public)] })
    }
}

/// Returns a key's public name; see [`Ed25519Signer::kid`].
pub(super) fn key_id(public: &[u8; 32]) -> String {
    hex::encode(&Sha256::digest(public)[..8])
}

/// Returns the public half of a key as a JWK.
pub(super) fn public_jwk(public: &[u8; 32]) -> Value {
    json!({
        "kty": "OKP",
        "crv": "Ed25519",
        "x": URL_SAFE_NO_PAD.encode(public),
        "kid": key_id(public),
        "use": "sig",
        "alg": "EdDSA",
    })
}

impl fmt::Debug for Ed25519Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ed25519Signer").field("kid", &self.kid).finish_non_exhaustive()
    }
}
