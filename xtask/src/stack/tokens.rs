//! Tokens for people of a development or test stack, signed with its own keys and verified by the same code as real
//! ones.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::{Deserialize, Serialize};

use super::keys::random_hex;

/// Lifetime of the tokens in `stack.json`: a working day.
pub(crate) const LIFETIME: u64 = 12 * 60 * 60;

/// Authorized party of a session: the frontend's origin, which Clerk puts into `azp`.
pub(crate) const AUTHORIZED_PARTY: &str = "http://localhost:3000";

/// The issuer of telemetry tokens.
pub(crate) const TELEMETRY_ISSUER: &str = "restartix-core";

/// A person with an account, as the seed reports it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[allow(clippy::struct_field_names, reason = "the names of stack.json and of the seed's report")]
pub(crate) struct Person {
    pub(crate) clerk_id: String,
    pub(crate) user_id: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) patient_id: Option<i64>,
}

#[derive(Serialize)]
struct SessionClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    sid: String,
    azp: &'a str,
    iat: u64,
    nbf: u64,
    exp: u64,
}

#[derive(Serialize)]
struct TelemetryClaims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    org: Option<i64>,
    role: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    patient_id: Option<i64>,
    iat: u64,
    nbf: u64,
    exp: u64,
    jti: String,
}

/// A session token of the local issuer, as Clerk would make it (RS256).
pub(crate) fn session(key_pem: &str, kid: &str, issuer: &str, clerk_id: &str) -> Result<String> {
    let now = now();
    let claims = SessionClaims {
        iss: issuer,
        sub: clerk_id,
        sid: format!("sess_{}", random_hex(12)),
        azp: AUTHORIZED_PARTY,
        iat: now,
        nbf: now,
        exp: now + LIFETIME,
    };
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::RS256) };
    Ok(encode(&header, &claims, &EncodingKey::from_rsa_pem(key_pem.as_bytes())?)?)
}

/// A telemetry token, as Core would make it (EdDSA), but for a working day.
pub(crate) fn telemetry(
    key_pem: &str,
    kid: &str,
    person: &Person,
    organization: Option<i64>,
    role: &str,
) -> Result<String> {
    let now = now();
    let claims = TelemetryClaims {
        iss: TELEMETRY_ISSUER,
        aud: "restartix-telemetry",
        sub: person.user_id.to_string(),
        org: organization,
        role,
        patient_id: person.patient_id,
        iat: now,
        nbf: now,
        exp: now + LIFETIME,
        jti: uuid::Uuid::now_v7().to_string(),
    };
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::EdDSA) };
    Ok(encode(&header, &claims, &EncodingKey::from_ed_pem(key_pem.as_bytes())?)?)
}

fn now() -> u64 {
    // Only a clock before 1970 fails this, and its tokens would be refused anyway.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
    use serde_json::Value;

    use super::super::keys::Keys;
    use super::*;

    #[test]
    fn a_session_token_verifies_by_the_published_key() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::open(dir.path()).unwrap();
        let token = session(&keys.issuer_pem, &keys.issuer_kid, "http://issuer", "user_1").unwrap();
        let jwks: jsonwebtoken::jwk::JwkSet =
            serde_json::from_str(&std::fs::read_to_string(keys.jwks()).unwrap()).unwrap();
        let kid = decode_header(&token).unwrap().kid.unwrap();
        let key = DecodingKey::from_jwk(jwks.find(&kid).unwrap()).unwrap();
        let mut rules = Validation::new(Algorithm::RS256);
        rules.set_issuer(&["http://issuer"]);
        let claims = decode::<Value>(&token, &key, &rules).unwrap().claims;
        assert_eq!(claims["sub"], "user_1");
        assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), LIFETIME);
    }

    #[test]
    fn a_telemetry_token_names_person_and_clinic() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys::open(dir.path()).unwrap();
        let person = Person { clerk_id: "user_2".into(), user_id: 7, patient_id: Some(9) };
        let token = telemetry(&keys.telemetry_pem, &keys.telemetry_kid, &person, Some(3), "patient").unwrap();
        let header = decode_header(&token).unwrap();
        assert_eq!((header.alg, header.kid.as_deref()), (Algorithm::EdDSA, Some(keys.telemetry_kid.as_str())));
        let claims: Value = jsonwebtoken::dangerous::insecure_decode(&token).unwrap().claims;
        assert_eq!((&claims["sub"], &claims["org"], &claims["patient_id"]), (&"7".into(), &3.into(), &9.into()));
    }
}
