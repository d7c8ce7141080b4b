//! Tokens as the identity provider and Core make them, signed with the stack's keys.

use std::{
    sync::OnceLock,
    time::{SystemTime, UNIX_EPOCH},
};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Stack;

/// Default lifetime of tokens in tests, in seconds.
const LIFETIME: i64 = 3600;

/// The claims of a session token, free to be changed: `claims.0["exp"] = json!(1)`.
#[derive(Debug, Clone)]
pub struct SessionClaims(pub Value);

impl SessionClaims {
    /// Returns the claims that the identity provider issues for a user who is signed in.
    pub fn of(clerk_id: &str) -> Self {
        let (stack, now) = (Stack::get(), now());
        Self(json!({
            "iss": stack.issuer_url,
            "sub": clerk_id,
            "sid": format!("sess_{}", Uuid::new_v4().simple()),
            "azp": stack.authorized_party,
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME,
        }))
    }

    /// With one claim replaced, or removed where the value is null.
    #[must_use]
    pub fn with(mut self, claim: &str, value: Value) -> Self {
        let claims = self.0.as_object_mut().expect("claims are an object");
        if value.is_null() {
            claims.remove(claim);
        } else {
            claims.insert(claim.to_owned(), value);
        }
        self
    }
}

/// The stack's identity provider, and Core as the issuer of telemetry tokens.
#[derive(Debug)]
pub struct Issuer;

impl Issuer {
    /// A session token of a user.
    pub fn session(clerk_id: &str) -> String {
        Self::sign(&SessionClaims::of(clerk_id).0)
    }

    /// A token of the identity provider with any claims.
    pub fn sign(claims: &Value) -> String {
        let header = Header { kid: Some(Stack::get().issuer_kid.clone()), ..Header::new(Algorithm::RS256) };
        encode(&header, claims, session_key()).expect("claims can be signed")
    }

    /// The PEM of the identity provider's private key.
    pub fn pem() -> String {
        std::fs::read_to_string(&Stack::get().issuer_key_pem_path).expect("the issuer's key can be read")
    }

    /// A token for Telemetry with any claims, signed as Core does.
    pub fn sign_telemetry(claims: &Value) -> String {
        static KEY: OnceLock<EncodingKey> = OnceLock::new();
        let stack = Stack::get();
        let key = KEY.get_or_init(|| {
            let pem = std::fs::read(&stack.telemetry_key_pem_path).expect("the telemetry key can be read");
            EncodingKey::from_ed_pem(&pem).expect("it is an Ed25519 key")
        });
        let header = Header { kid: Some(stack.telemetry_kid.clone()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, claims, key).expect("claims can be signed")
    }
}

/// The claims of a telemetry token, as Core writes them.
pub(crate) fn telemetry_claims(user: i64, organization: Option<i64>, role: &str, patient: Option<i64>) -> Value {
    let now = now();
    let mut claims = json!({
        "iss": "restartix-core",
        "aud": "restartix-telemetry",
        "sub": user.to_string(),
        "role": role,
        "iat": now,
        "nbf": now,
        "exp": now + LIFETIME,
        "jti": Uuid::now_v7(),
    });
    for (name, value) in [("org", organization), ("patient_id", patient)] {
        if let Some(value) = value {
            claims[name] = value.into();
        }
    }
    claims
}

fn session_key() -> &'static EncodingKey {
    static KEY: OnceLock<EncodingKey> = OnceLock::new();
    KEY.get_or_init(|| EncodingKey::from_rsa_pem(Issuer::pem().as_bytes()).expect("it is an RSA key"))
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right");
    i64::try_from(since.as_secs()).expect("the clock is right")
}
