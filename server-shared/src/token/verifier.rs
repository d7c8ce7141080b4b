//! Verification of tokens.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Validation, decode, decode_header};
use moka::Expiry;
use moka::sync::Cache;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};
use thiserror::Error as ThisError;

use super::jwks::Jwks;

/// Longest token in bytes, which is longer than any in use. A longer one is refused before it is parsed.
const TOKEN_MAX: usize = 8 * 1024;

/// Most verified tokens that are cached; some 5 MB.
const CACHE_MAX: u64 = 10_000;

/// Algorithms of signatures. A verifier accepts exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA with PKCS #1 v1.5 and SHA-256: the identity provider's session tokens.
    Rs256,
    /// Ed25519: telemetry tokens.
    EdDsa,
}

impl From<Algorithm> for jsonwebtoken::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Rs256 => Self::RS256,
            Algorithm::EdDsa => Self::EdDSA,
        }
    }
}

/// Rules for a token, beside its signature and its time.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Accepted algorithm.
    pub algorithm: Algorithm,
    /// Exact value of `iss`.
    pub issuer: String,
    /// Audience that `aud` must name; `None` for no check.
    pub audience: Option<String>,
    /// Values allowed in `azp`; empty for no check.
    pub authorized_parties: Vec<String>,
    /// `true` if the token must belong to a session (`sid`).
    pub require_sid: bool,
    /// Largest difference between the clocks of issuer and verifier, in whole seconds; 5 s is usual.
    pub leeway: Duration,
}

/// Reason why a token is refused. No message holds any part of the token.
#[derive(Clone, Copy, Debug, ThisError, PartialEq, Eq)]
pub enum TokenError {
    /// No JWT, or its claims are not those of this kind of token.
    #[error("the token is malformed")]
    Malformed,
    /// Signed (or not signed) by another algorithm.
    #[error("the token's algorithm is not accepted")]
    WrongAlgorithm,
    /// The signature is wrong, or made with a key that the issuer doesn't publish.
    #[error("the token's signature is not trusted")]
    Untrusted,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `iss` is missing or another.
    #[error("the token is from another issuer")]
    WrongIssuer,
    /// `aud` is missing or another.
    #[error("the token is for another audience")]
    WrongAudience,
    /// `azp` is missing or not on the list.
    #[error("the token was made for another application")]
    WrongParty,
    /// `sid` is missing.
    #[error("the token belongs to no session")]
    NoSession,
    /// The issuer's keys are not available, so the token can't be checked: 503, not 401.
    #[error("the keys to verify the token are not available")]
    KeysUnavailable,
}

/// Verifies the tokens of one issuer and caches those it has verified.
///
/// Verification costs 100 µs and more, and a client sends the same token with every request; a token
/// that was verified before costs one SHA-256 until it expires, unless the issuer withdrew its key.
/// It does not check that the session, user or membership still exists: the caller checks each time.
pub struct Verifier {
    keys: Jwks,
    rules: Rules,
    validation: Validation,
    verified: Cache<Fingerprint, Verified>,
}

/// Hash of a token, and the type that its claims were parsed as.
type Fingerprint = ([u8; 32], TypeId);

#[derive(Clone)]
struct Verified {
    claims: Arc<dyn Any + Send + Sync>,
    /// Last second, since 1970, at which the token is valid.
    until: u64,
    generation: u64,
}

impl Verifier {
    /// Accepts tokens that these keys verify and that keep these rules.
    pub fn new(keys: Jwks, rules: Rules) -> Self {
        let mut validation = Validation::new(rules.algorithm.into());
        validation.leeway = rules.leeway.as_secs();
        validation.validate_nbf = true;
        validation.set_issuer(&[&rules.issuer]);
        validation.set_required_spec_claims(&["exp", "iss"]);
        match &rules.audience {
            Some(audience) => {
                validation.set_audience(&[audience]);
                validation.set_required_spec_claims(&["exp", "iss", "aud"]);
            }
            None => validation.validate_aud = false,
        }
        let verified = Cache::builder().max_capacity(CACHE_MAX).expire_after(UntilExpiry).build();
        Self { keys, rules, validation, verified }
    }

    /// Verifies a token and returns its claims.
    ///
    /// The claims of a verified token are cached, so `C` may be a type that is costly to parse.
    pub async fn verify<C>(&self, token: &str) -> Result<Arc<C>, TokenError>
    where
        C: DeserializeOwned + Clone + Send + Sync + 'static,
    {
        if token.len() > TOKEN_MAX {
            return Err(TokenError::Malformed);
        }
        let fingerprint = (Sha256::digest(token).into(), TypeId::of::<C>());
        if let Some(verified) = self.verified.get(&fingerprint)
            && verified.generation == self.keys.generation()
            && let Ok(claims) = verified.claims.downcast::<C>()
        {
            return if now() > verified.until { Err(TokenError::Expired) } else { Ok(claims) };
        }

        let header = decode_header(token).map_err(|_| TokenError::Malformed)?;
        if header.alg != self.rules.algorithm.into() {
            return Err(TokenError::WrongAlgorithm);
        }
        // RFC 7515: a token with a critical extension that the verifier doesn't know must be refused. It knows none.
        if header.crit.is_some() {
            return Err(TokenError::Malformed);
        }
        let found = self.keys.find(header.kid.as_deref()).await?;
        if found.key.algorithm != self.rules.algorithm {
            return Err(TokenError::Untrusted);
        }
        let claims = decode::<Value>(token, &found.key.key, &self.validation).map_err(|error| refusal(&error))?.claims;
        let until = self.claims_check(&claims)?;
        let claims = Arc::new(serde_json::from_value::<C>(claims).map_err(|_| TokenError::Malformed)?);
        let remembered = Arc::clone(&claims) as Arc<dyn Any + Send + Sync>;
        self.verified.insert(fingerprint, Verified { claims: remembered, until, generation: found.generation });
        Ok(claims)
    }

    /// Checks the rules that the library doesn't know. Returns the last second at which the token is valid.
    fn claims_check(&self, claims: &Value) -> Result<u64, TokenError> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        // The library would also take a list that contains the issuer.
        if text("iss") != Some(&self.rules.issuer) {
            return Err(TokenError::WrongIssuer);
        }
        let parties = &self.rules.authorized_parties;
        if !parties.is_empty() && !text("azp").is_some_and(|azp| parties.iter().any(|party| party == azp)) {
            return Err(TokenError::WrongParty);
        }
        if self.rules.require_sid && text("sid").is_none_or(str::is_empty) {
            return Err(TokenError::NoSession);
        }
        let expires = claims.get("exp").and_then(Value::as_u64);
        // The library also reads fractions of a second; a token with them is cached for this second.
        Ok(expires.map_or_else(now, |expires| expires.saturating_add(self.validation.leeway)))
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// Removes expired tokens from the cache. Each use checks the expiry by the wall clock.
struct UntilExpiry;

impl Expiry<Fingerprint, Verified> for UntilExpiry {
    fn expire_after_create(&self, _: &Fingerprint, verified: &Verified, _: Instant) -> Option<Duration> {
        // An `exp` centuries ahead would overflow the clock arithmetic of the cache.
        const DAY: u64 = 86_400;
        Some(Duration::from_secs(verified.until.saturating_add(1).saturating_sub(now()).min(DAY)))
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn refusal(error: &Error) -> TokenError {
    match error.kind() {
        ErrorKind::ExpiredSignature => TokenError::Expired,
        ErrorKind::ImmatureSignature => TokenError::NotYetValid,
        ErrorKind::InvalidIssuer => TokenError::WrongIssuer,
        ErrorKind::InvalidAudience => TokenError::WrongAudience,
        ErrorKind::MissingRequiredClaim(claim) if claim == "iss" => TokenError::WrongIssuer,
        ErrorKind::MissingRequiredClaim(claim) if claim == "aud" => TokenError::WrongAudience,
        ErrorKind::MissingRequiredClaim(_)
        | ErrorKind::InvalidClaimFormat(_)
        | ErrorKind::InvalidToken
        | ErrorKind::Base64(_)
        | ErrorKind::Json(_)
        | ErrorKind::Utf8(_) => TokenError::Malformed,
        ErrorKind::InvalidAlgorithm => TokenError::WrongAlgorithm,
        _ => TokenError::Untrusted,
    }
}
