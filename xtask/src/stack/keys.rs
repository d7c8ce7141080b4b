//! The secrets of a stack: made once, beside the data they belong to, readable by their owner only.
//!
//! They are stored with the data, which is worthless without them: data that `ENCRYPTION_KEY` encrypted yesterday must
//! decrypt today.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, spki::der::pem::LineEnding};
use rsa::RsaPrivateKey;
use rsa::rand_core::{OsRng, RngCore as _};
use rsa::traits::PublicKeyParts as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::paths;

/// Everything secret that a stack's servers and token makers need.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) secrets: Secrets,
    /// The local issuer's RSA key, PKCS#8 PEM: signs session tokens as Clerk would.
    pub(crate) issuer_pem: String,
    pub(crate) issuer_kid: String,
    /// Core's Ed25519 key, PKCS#8 PEM: signs telemetry tokens.
    pub(crate) telemetry_pem: String,
    pub(crate) telemetry_kid: String,
    /// Telemetry's Ed25519 key, PKCS#8 PEM: signs the heads of the audit trail.
    pub(crate) audit_head_pem: String,
    /// Directory of `issuer.pem`, `telemetry.pem`, `audit-head.pem`, `jwks.json` (the issuer's public key) and
    /// `secrets.json`.
    pub(crate) dir: PathBuf,
}

/// The secrets that are plain strings.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Secrets {
    pub(crate) encryption_key: String,
    pub(crate) blind_index_key: String,
    pub(crate) api_key_pepper: String,
    pub(crate) telemetry_hash_key: String,
    pub(crate) telemetry_internal_token: String,
    pub(crate) metrics_token: String,
    /// Signs Clerk's messages to `/webhooks/clerk`. Nothing is stored under it, so it can be added to an older file of
    /// secrets.
    #[serde(default = "webhook_secret")]
    pub(crate) clerk_webhook_secret: String,
    /// API key that the stand-in for Daily accepts; created like the secret above.
    #[serde(default = "daily_api_key")]
    pub(crate) daily_api_key: String,
    pub(crate) s3_access_key: String,
    pub(crate) s3_secret_key: String,
}

impl Secrets {
    fn new() -> Self {
        Self {
            encryption_key: random_hex(32),
            blind_index_key: random_hex(32),
            api_key_pepper: random_hex(32),
            telemetry_hash_key: random_hex(32),
            telemetry_internal_token: random_hex(32),
            metrics_token: random_hex(16),
            clerk_webhook_secret: webhook_secret(),
            daily_api_key: daily_api_key(),
            s3_access_key: format!("restartix{}", random_hex(4)),
            s3_secret_key: random_hex(20),
        }
    }
}

impl Keys {
    /// The keys in `dir`; what is missing is made.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        super::account::private_dir(dir, None)?;
        let secrets = file(&dir.join("secrets.json"), || Ok(serde_json::to_string_pretty(&Secrets::new())?))?;
        let secrets = serde_json::from_str(&secrets).with_context(|| {
            format!("{} is of another version: remove {} and the data beside it", "secrets.json", dir.display())
        })?;

        let issuer_pem = file(&dir.join("issuer.pem"), || {
            let key = RsaPrivateKey::new(&mut OsRng, 2048).context("cannot make an RSA key")?;
            Ok(rsa::pkcs8::EncodePrivateKey::to_pkcs8_pem(&key, LineEnding::LF)?.to_string())
        })?;
        let issuer: RsaPrivateKey = rsa::pkcs8::DecodePrivateKey::from_pkcs8_pem(&issuer_pem)?;
        let modulus = issuer.n().to_bytes_be();
        let issuer_kid = key_id(&modulus);
        let jwks = json!({"keys": [{
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": issuer_kid,
            "n": URL_SAFE_NO_PAD.encode(&modulus), "e": URL_SAFE_NO_PAD.encode(issuer.e().to_bytes_be()),
        }]});
        paths::write_private(&dir.join("jwks.json"), &jwks.to_string())?;

        let telemetry_pem = file(&dir.join("telemetry.pem"), ed25519_pem)?;
        let audit_head_pem = file(&dir.join("audit-head.pem"), ed25519_pem)?;
        let telemetry = ed25519_dalek::SigningKey::from_pkcs8_pem(&telemetry_pem)?;
        let telemetry_kid = key_id(telemetry.verifying_key().as_bytes());
        let dir = dir.to_path_buf();
        Ok(Self { secrets, issuer_pem, issuer_kid, telemetry_pem, telemetry_kid, audit_head_pem, dir })
    }

    /// The file of the issuer's public key, in the form a JWKS endpoint serves.
    pub(crate) fn jwks(&self) -> PathBuf {
        self.dir.join("jwks.json")
    }
}

/// A new Ed25519 key.
fn ed25519_pem() -> Result<String> {
    let mut seed = [0; 32];
    OsRng.fill_bytes(&mut seed);
    // Without the public half, as OpenSSL writes it: not every reader takes the longer form.
    let pair = ed25519_dalek::pkcs8::KeypairBytes { secret_key: seed, public_key: None };
    Ok(pair.to_pkcs8_pem(LineEnding::LF)?.to_string())
}

/// A key's name: the first 16 hexadecimal digits of the SHA-256 of its public part.
fn key_id(public: &[u8]) -> String {
    hex::encode(&Sha256::digest(public)[..8])
}

/// A webhook's secret, as Clerk shows it.
fn webhook_secret() -> String {
    let mut bytes = [0; 24];
    OsRng.fill_bytes(&mut bytes);
    format!("whsec_{}", STANDARD.encode(bytes))
}

/// An API key, in the form of Daily's.
fn daily_api_key() -> String {
    random_hex(32)
}

/// `bytes` random bytes, in hexadecimal.
pub(crate) fn random_hex(bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    OsRng.fill_bytes(&mut buffer);
    hex::encode(buffer)
}

/// The content of a secret file, which is made if it is not there.
fn file(path: &Path, make: impl FnOnce() -> Result<String>) -> Result<String> {
    if !path.exists() {
        paths::write_private(path, &make()?)?;
    }
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let first = Keys::open(dir.path()).unwrap();
        let second = Keys::open(dir.path()).unwrap();
        assert_eq!(first.issuer_pem, second.issuer_pem);
        assert_eq!(first.telemetry_kid, second.telemetry_kid);
        assert_eq!(first.secrets.encryption_key, second.secrets.encryption_key);
        assert_eq!(hex::decode(&first.secrets.encryption_key).unwrap().len(), 32);
        assert_eq!(first.telemetry_kid.len(), 16);
        let jwks: serde_json::Value = serde_json::from_str(&fs::read_to_string(first.jwks()).unwrap()).unwrap();
        assert_eq!(jwks["keys"][0]["kid"], first.issuer_kid);
    }
}
