//! Attacks on tokens, and outages of the issuer, against a JWKS that a real server publishes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code: a panic with a clear message is how a test fails"
)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header, encode};
use poem::http::StatusCode;
use poem::listener::{Acceptor, Listener, TcpListener};
use poem::{Endpoint, EndpointExt, IntoResponse, Response, Server};
use rsa::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};
use rsa::traits::PublicKeyParts;
use rsa::{RsaPrivateKey, rand_core};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use url::Url;

use super::*;
use crate::crypto::Key32;
use crate::shutdown::Shutdown;

mod attacks;
mod keys;
mod own;

const ISSUER: &str = "https://issuer.example";
const PARTY: &str = "https://clinic.example";

#[derive(Clone, Debug, Deserialize, PartialEq)]
struct Claims {
    sub: String,
    sid: String,
}

struct RsaKey {
    kid: &'static str,
    private_pem: String,
    public_pem: String,
    jwk: Value,
}

impl RsaKey {
    fn generate(kid: &'static str) -> Self {
        let private = RsaPrivateKey::new(&mut rand_core::OsRng, 2048).unwrap();
        let public = private.to_public_key();
        let encoded = |number: &rsa::BigUint| URL_SAFE_NO_PAD.encode(number.to_bytes_be());
        Self {
            kid,
            private_pem: private.to_pkcs8_pem(LineEnding::LF).unwrap().to_string(),
            public_pem: public.to_public_key_pem(LineEnding::LF).unwrap(),
            jwk: json!({
                "kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256",
                "n": encoded(public.n()), "e": encoded(public.e()),
            }),
        }
    }

    fn sign(&self, claims: &Value) -> String {
        self.sign_as(Some(self.kid), claims)
    }

    fn sign_as(&self, kid: Option<&str>, claims: &Value) -> String {
        let mut header = Header::new(jsonwebtoken::Algorithm::RS256);
        header.kid = kid.map(Into::into);
        encode(&header, claims, &EncodingKey::from_rsa_pem(self.private_pem.as_bytes()).unwrap()).unwrap()
    }
}

/// The key that the issuer publishes.
static PUBLISHED: LazyLock<RsaKey> = LazyLock::new(|| RsaKey::generate("published"));
/// A key of somebody else.
static FOREIGN: LazyLock<RsaKey> = LazyLock::new(|| RsaKey::generate("foreign"));

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The claims of a good session token, with these changed; null removes one.
fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "sub": "user_1", "sid": "sess_1", "azp": PARTY, "iat": now(), "nbf": now(), "exp": now() + 60,
    });
    let all = claims.as_object_mut().unwrap();
    all.extend(changes.as_object().unwrap().clone());
    all.retain(|_, value| !value.is_null());
    claims
}

fn rules() -> Rules {
    Rules {
        algorithm: Algorithm::Rs256,
        issuer: ISSUER.into(),
        audience: None,
        authorized_parties: vec![PARTY.into()],
        require_sid: true,
        leeway: Duration::from_secs(5),
    }
}

/// A server that publishes keys, counts how often it is asked, and can be stopped.
struct Issuer {
    url: Url,
    keys: Arc<Mutex<Vec<Value>>>,
    fetches: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

impl Issuer {
    async fn start(keys: Vec<Value>) -> Self {
        let keys = Arc::new(Mutex::new(keys));
        let fetches = Arc::new(AtomicUsize::new(0));
        let (published, counted) = (Arc::clone(&keys), Arc::clone(&fetches));
        let (url, server) = serve(poem::endpoint::make_sync(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            json!({ "keys": *published.lock().unwrap() }).to_string()
        }))
        .await;
        Self { url, keys, fetches, server }
    }

    fn publish(&self, keys: Vec<Value>) {
        *self.keys.lock().unwrap() = keys;
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    /// Refuses connections from now on.
    async fn stop(&mut self) {
        self.server.abort();
        assert!((&mut self.server).await.unwrap_err().is_cancelled());
    }

    /// Fetches are held back as little as possible, so that tests needn't wait.
    fn jwks(&self) -> Jwks {
        self.jwks_with(Duration::ZERO)
    }

    fn jwks_with(&self, unknown_kid: Duration) -> Jwks {
        let timing = JwksTiming { unknown_kid, retry: Duration::ZERO, ..JwksTiming::default() };
        Jwks::with_timing(KeySource::Url(self.url.clone()), timing).unwrap()
    }

    fn verifier(&self) -> Verifier {
        Verifier::new(self.jwks(), rules())
    }
}

async fn serve(endpoint: impl Endpoint + 'static) -> (Url, JoinHandle<()>) {
    let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await.unwrap();
    let address = *acceptor.local_addr()[0].as_socket_addr().unwrap();
    // One request a connection: an aborted server must not go on answering on a kept connection.
    let endpoint = endpoint.after(async |response: poem::Result<_>| {
        response.map(|response| response.with_header("Connection", "close").into_response())
    });
    let server = tokio::spawn(async move { Server::new_with_acceptor(acceptor).run(endpoint).await.unwrap() });
    (format!("http://{address}/.well-known/jwks.json").parse().unwrap(), server)
}

async fn verify(verifier: &Verifier, token: &str) -> Result<Claims, TokenError> {
    verifier.verify::<Claims>(token).await.map(|claims| (*claims).clone())
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}
