//! The public keys of an issuer: fetched, cached, refreshed, and kept while the issuer is down.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use thiserror::Error;
use tokio::sync::Mutex;
use url::Url;

use super::pem_lines;
use super::verifier::{Algorithm, TokenError};
use crate::{client::service_client, error::causes, shutdown::Shutdown};

/// Largest size of an answer in bytes, far above any real key set.
const BODY_MAX: usize = 256 * 1024;

/// Source of an issuer's public keys.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// A JWKS document.
    Url(Url),
    /// One public key in PEM form (`PUBLIC KEY` or `RSA PUBLIC KEY`), literal `\n` allowed. It verifies
    /// every token, whatever `kid` the token names.
    Pem(String),
}

/// Times of key fetches.
#[derive(Clone, Copy, Debug)]
pub struct JwksTiming {
    /// Longest time for one fetch.
    pub timeout: Duration,
    /// Interval of the fetches of [`Jwks::keep_fresh`].
    pub refresh: Duration,
    /// Shortest interval of the fetches that tokens with an unknown `kid` cause.
    pub unknown_kid: Duration,
    /// Shortest wait for the next fetch after a failure.
    pub retry: Duration,
}

impl Default for JwksTiming {
    /// 5 s, 10 min, 10 s, 1 s.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            refresh: Duration::from_mins(10),
            unknown_kid: Duration::from_secs(10),
            retry: Duration::from_secs(1),
        }
    }
}

/// Reason why keys could not be fetched.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The PEM holds no public key that can verify RS256 or EdDSA.
    #[error("not a public RSA (2048 to 4096 bits) or Ed25519 key in PEM form")]
    Pem,
    /// The HTTP client could not be built or the request failed.
    #[error("the key set could not be fetched")]
    Http(#[from] reqwest::Error),
    /// The address answered with something else than a document.
    #[error("the key set's address answered with status {0}")]
    Status(StatusCode),
    /// The document is too large, no JWKS, or holds no key of use.
    #[error("the document holds no usable key")]
    NoKeys,
}

/// An issuer's public keys. Clones share them.
#[derive(Clone, Debug)]
pub struct Jwks(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    remote: Option<Remote>,
    keys: RwLock<Arc<KeySet>>,
    timing: JwksTiming,
}

#[derive(Debug)]
struct Remote {
    client: Client,
    url: Url,
    /// Last fetch that a token caused. Locked during a fetch, so that there is only one at a time.
    on_demand: Arc<Mutex<Option<Fetch>>>,
}

/// A fetch of keys that has ended.
#[derive(Clone, Copy, Debug)]
struct Fetch {
    at: Instant,
    succeeded: bool,
}

/// A key that was found, and the generation of the set it was found in.
pub(super) struct Found {
    pub(super) key: Arc<PublicKey>,
    pub(super) generation: u64,
}

impl Jwks {
    /// Takes keys from this source with the usual timing. Fetches nothing yet.
    pub fn new(source: KeySource) -> Result<Self, KeyError> {
        Self::with_timing(source, JwksTiming::default())
    }

    /// Takes keys from this source. Fetches nothing yet.
    pub fn with_timing(source: KeySource, timing: JwksTiming) -> Result<Self, KeyError> {
        let (remote, keys) = match source {
            KeySource::Pem(pem) => (None, KeySet::One(Arc::new(PublicKey::from_pem(&pem)?))),
            KeySource::Url(url) => {
                let client = service_client(&url, timing.timeout)?;
                let on_demand = Arc::default();
                (Some(Remote { client, url, on_demand }), KeySet::Named { keys: HashMap::new(), generation: 0 })
            }
        };
        Ok(Self(Arc::new(Inner { remote, keys: RwLock::new(Arc::new(keys)), timing })))
    }

    /// Fetches the keys now and then every [`JwksTiming::refresh`] until shutdown. Without this, keys are
    /// only fetched when a token names an unknown one, and a withdrawn key is never noticed.
    pub fn keep_fresh(&self, shutdown: &Shutdown) {
        if self.0.remote.is_none() {
            return;
        }
        let keys = self.clone();
        shutdown.spawn("jwks", |stop| async move {
            let mut failing = false;
            loop {
                let fetched = tokio::select! {
                    fetched = keys.refresh() => fetched,
                    () = stop.cancelled() => return,
                };
                match &fetched {
                    Ok(()) if failing => tracing::info!("the key set can be fetched again"),
                    Err(error) if !failing => tracing::warn!(error = plain(error), "the former keys stay in use"),
                    _ => {}
                }
                failing = fetched.is_err();
                let pause = if failing { keys.0.timing.unknown_kid } else { keys.0.timing.refresh };
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = stop.cancelled() => return,
                }
            }
        });
    }

    /// Fetches the key set once. If that fails, the present keys stay.
    pub async fn refresh(&self) -> Result<(), KeyError> {
        let Some(remote) = &self.0.remote else { return Ok(()) };
        let fetched = remote.fetch().await?;
        let mut keys = self.0.keys.write().unwrap_or_else(PoisonError::into_inner);
        *keys = Arc::new(keys.replaced_by(fetched));
        Ok(())
    }

    /// Returns the generation of the keys. It changes when a key is withdrawn or replaced; tokens verified before must
    /// then be verified again.
    pub(super) fn generation(&self) -> u64 {
        self.snapshot().generation()
    }

    /// Returns the key of this name. An unknown name causes a fetch, unless there was one just now.
    pub(super) async fn find(&self, kid: Option<&str>) -> Result<Found, TokenError> {
        if let Some(found) = self.snapshot().find(kid) {
            return Ok(found);
        }
        let (Some(remote), Some(kid)) = (&self.0.remote, kid) else { return Err(TokenError::Untrusted) };
        let mut last = Arc::clone(&remote.on_demand).lock_owned().await;
        // While this waited, the request before may have fetched the key.
        if let Some(found) = self.snapshot().find(Some(kid)) {
            return Ok(found);
        }
        let pause = |last: Fetch| if last.succeeded { self.0.timing.unknown_kid } else { self.0.timing.retry };
        let succeeded = match *last {
            Some(fetch) if fetch.at.elapsed() < pause(fetch) => fetch.succeeded,
            _ => {
                let keys = self.clone();
                // A task of its own, because a caller that disconnects must not end the fetch that others wait for.
                let fetch = tokio::spawn(async move {
                    let fetched = keys.refresh().await;
                    if let Err(error) = &fetched {
                        tracing::warn!(error = plain(error), "an unknown key could not be looked up");
                    }
                    *last = Some(Fetch { at: Instant::now(), succeeded: fetched.is_ok() });
                    fetched.is_ok()
                });
                fetch.await.unwrap_or(false)
            }
        };
        match self.snapshot().find(Some(kid)) {
            Some(found) => Ok(found),
            None if succeeded => Err(TokenError::Untrusted),
            None => Err(TokenError::KeysUnavailable),
        }
    }

    fn snapshot(&self) -> Arc<KeySet> {
        Arc::clone(&self.0.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Remote {
    async fn fetch(&self) -> Result<HashMap<String, Arc<PublicKey>>, KeyError> {
        let mut response = self.client.get(self.url.clone()).send().await?;
        if response.status() != StatusCode::OK {
            return Err(KeyError::Status(response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > BODY_MAX {
                return Err(KeyError::NoKeys);
            }
        }
        parse(&body)
    }
}

/// Reads a JWKS document. Keys of unknown kinds are left out, because an issuer may publish others beside the known
/// ones.
fn parse(body: &[u8]) -> Result<HashMap<String, Arc<PublicKey>>, KeyError> {
    #[derive(Deserialize)]
    struct Document {
        keys: Vec<serde_json::Value>,
    }
    let document: Document = serde_json::from_slice(body).map_err(|_| KeyError::NoKeys)?;
    let keys: HashMap<_, _> = document
        .keys
        .into_iter()
        .filter_map(|key| serde_json::from_value::<Jwk>(key).ok())
        .filter_map(|jwk| Some((jwk.common.key_id.clone()?, Arc::new(PublicKey::from_jwk(jwk)?))))
        .collect();
    if keys.is_empty() { Err(KeyError::NoKeys) } else { Ok(keys) }
}

#[derive(Debug)]
enum KeySet {
    /// The one key of a PEM.
    One(Arc<PublicKey>),
    /// The keys of a JWKS by `kid`.
    Named { keys: HashMap<String, Arc<PublicKey>>, generation: u64 },
}

impl KeySet {
    fn generation(&self) -> u64 {
        match self {
            Self::One(_) => 0,
            Self::Named { generation, .. } => *generation,
        }
    }

    fn find(&self, kid: Option<&str>) -> Option<Found> {
        let key = match self {
            Self::One(key) => key,
            Self::Named { keys, .. } => keys.get(kid?)?,
        };
        Some(Found { key: Arc::clone(key), generation: self.generation() })
    }

    fn replaced_by(&self, new: HashMap<String, Arc<PublicKey>>) -> Self {
        let generation = match self {
            Self::Named { keys, generation } => {
                let kept =
                    keys.iter().all(|(kid, key)| new.get(kid).is_some_and(|new| new.parameters == key.parameters));
                if kept { *generation } else { generation + 1 }
            }
            Self::One(_) => 0,
        };
        Self::Named { keys: new, generation }
    }
}

/// A key that fits its algorithm.
#[derive(Debug)]
pub(super) struct PublicKey {
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
    parameters: AlgorithmParameters,
}

impl PublicKey {
    fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let pem = pem_lines(pem);
        // A private key would verify as well, but must not be stored where tokens are only verified.
        if pem.contains("PRIVATE KEY") {
            return Err(KeyError::Pem);
        }
        DecodingKey::from_rsa_pem(pem.as_bytes())
            .or_else(|_| DecodingKey::from_ed_pem(pem.as_bytes()))
            .and_then(|key| Jwk::from_decoding_key(&key, None))
            .ok()
            .and_then(Self::from_jwk)
            .ok_or(KeyError::Pem)
    }

    fn from_jwk(jwk: Jwk) -> Option<Self> {
        if jwk.common.public_key_use.as_ref().is_some_and(|key_use| *key_use != PublicKeyUse::Signature) {
            return None;
        }
        let algorithm = match &jwk.algorithm {
            // Shorter keys can be broken; longer ones make each verification costly.
            AlgorithmParameters::RSA(rsa) => {
                let modulus = URL_SAFE_NO_PAD.decode(&rsa.n).ok()?;
                let bytes = modulus.iter().skip_while(|byte| **byte == 0).count();
                (256..=512).contains(&bytes).then_some(Algorithm::Rs256)?
            }
            // The library does not check the length and would panic on a shorter key.
            AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
                (URL_SAFE_NO_PAD.decode(&pair.x).ok()?.len() == 32).then_some(Algorithm::EdDsa)?
            }
            _ => return None,
        };
        let expected = match algorithm {
            Algorithm::Rs256 => KeyAlgorithm::RS256,
            Algorithm::EdDsa => KeyAlgorithm::EdDSA,
        };
        if jwk.common.key_algorithm.is_some_and(|named| named != expected) {
            return None;
        }
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self { algorithm, key, parameters: jwk.algorithm })
    }
}

/// An error with its causes on one line, without the address, which may carry credentials: the first
/// cause, the client's own, names it.
fn plain(error: &KeyError) -> String {
    let cause = std::error::Error::source(error).and_then(std::error::Error::source);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {}", causes(cause)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn usable(key: &serde_json::Value) -> bool {
        parse(json!({ "keys": [key] }).to_string().as_bytes()).is_ok()
    }

    fn octets(length: usize) -> String {
        URL_SAFE_NO_PAD.encode(vec![0xff; length])
    }

    #[test]
    fn only_fit_keys_are_taken() {
        let rsa = json!({ "kty": "RSA", "kid": "1", "n": octets(256), "e": "AQAB" });
        let with = |mut key: serde_json::Value, name: &str, value: serde_json::Value| {
            key[name] = value;
            key
        };
        assert!(usable(&rsa));
        assert!(usable(&with(rsa.clone(), "alg", json!("RS256"))));
        assert!(usable(&with(rsa.clone(), "use", json!("sig"))));
        assert!(!usable(&with(rsa.clone(), "use", json!("enc"))), "a key for encryption");
        assert!(!usable(&with(rsa.clone(), "alg", json!("RS512"))), "a key for another algorithm");
        assert!(!usable(&with(rsa.clone(), "alg", json!("XY1"))), "a key for an unknown algorithm");
        assert!(!usable(&with(rsa.clone(), "n", json!(octets(128)))), "1024 bits");
        assert!(!usable(&with(rsa.clone(), "n", json!(octets(513)))), "more than 4096 bits");
        assert!(!usable(&json!({ "kty": "RSA", "n": octets(256), "e": "AQAB" })), "no kid");
        assert!(!usable(&json!({ "kty": "oct", "kid": "1", "k": octets(32) })), "a symmetric key");

        let ed = json!({ "kty": "OKP", "kid": "1", "crv": "Ed25519", "x": octets(32) });
        assert!(usable(&ed));
        assert!(!usable(&with(ed.clone(), "x", json!(octets(31)))), "too short");
        assert!(!usable(&with(ed, "alg", json!("RS256"))), "a key for another algorithm");
    }

    #[test]
    fn one_strange_key_does_not_spoil_the_set() {
        let ed = json!({ "kty": "OKP", "kid": "good", "crv": "Ed25519", "x": octets(32) });
        let set = json!({ "keys": [{ "kty": "AKP", "kid": 7 }, "nonsense", ed] }).to_string();
        assert_eq!(parse(set.as_bytes()).unwrap().keys().collect::<Vec<_>>(), ["good"]);
        for document in ["", "{}", "[]", r#"{"keys":[]}"#, r#"{"keys":{}}"#] {
            assert!(parse(document.as_bytes()).is_err(), "{document}");
        }
    }

    #[test]
    fn withdrawing_a_key_begins_a_generation_and_adding_one_does_not() {
        let set = |keys: &[(&str, u8)]| -> HashMap<String, Arc<PublicKey>> {
            let keys = keys.iter().map(|(kid, byte)| {
                json!({ "kty": "OKP", "kid": kid, "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode([*byte; 32]) })
            });
            parse(json!({ "keys": keys.collect::<Vec<_>>() }).to_string().as_bytes()).unwrap()
        };
        let empty = KeySet::Named { keys: HashMap::new(), generation: 0 };
        let first = empty.replaced_by(set(&[("a", 1)]));
        let added = first.replaced_by(set(&[("a", 1), ("b", 2)]));
        assert_eq!((first.generation(), added.generation()), (0, 0));
        assert_eq!(added.replaced_by(set(&[("b", 2)])).generation(), 1, "withdrawn");
        assert_eq!(added.replaced_by(set(&[("a", 3), ("b", 2)])).generation(), 1, "replaced under the same name");
    }

    #[test]
    fn a_pem_must_be_a_public_key() {
        for pem in ["", "clerk", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"] {
            assert!(matches!(Jwks::new(KeySource::Pem(pem.into())), Err(KeyError::Pem)), "{pem:?}");
        }
    }
}
