//! Session tokens of the stack's own issuer, for the people that are only being made.

use std::fs;

use anyhow::{Context as _, Result};
use chrono::Utc;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;
use uuid::Uuid;

use crate::stack::BareStack;

/// Longer than any seed takes, in seconds.
const LIFETIME: i64 = 15 * 60;

/// Signs in whoever it is asked for.
pub(crate) struct Issuer {
    key: EncodingKey,
    header: Header,
    url: String,
    authorized_party: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    sid: String,
    azp: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
}

impl Issuer {
    /// The issuer of a stack, with the key that the stack keeps for it.
    pub(crate) fn of(stack: &BareStack) -> Result<Self> {
        let path = &stack.issuer_key_pem_path;
        let pem = fs::read(path).with_context(|| format!("cannot read the issuer's key {}", path.display()))?;
        Ok(Self {
            key: EncodingKey::from_rsa_pem(&pem).with_context(|| format!("{} is no RSA key", path.display()))?,
            header: Header { kid: Some(stack.issuer_kid.clone()), ..Header::new(Algorithm::RS256) },
            url: stack.issuer_url.clone(),
            authorized_party: stack.authorized_party.clone(),
        })
    }

    /// A session token for the user whom the identity provider calls `subject`.
    pub(crate) fn session(&self, subject: &str) -> Result<String> {
        let now = Utc::now().timestamp();
        let claims = Claims {
            iss: &self.url,
            sub: subject,
            sid: format!("sess_{}", Uuid::new_v4().simple()),
            azp: &self.authorized_party,
            iat: now,
            nbf: now,
            exp: now + LIFETIME,
        };
        encode(&self.header, &claims, &self.key).context("cannot sign a session token")
    }
}
