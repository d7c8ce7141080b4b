//! Authentication, before anything of a request is parsed. Refused requests are recorded.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use poem::{
    Request, Response,
    http::{Extensions, StatusCode},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use server_shared::{
    ApiError,
    http::{Gate, Operation, access_log::Subject, authorization::bearer, failure::Failures},
    token::{TokenError, Verifier},
};
use subtle::{Choice, ConstantTimeEq};

use super::{
    caller::{SERVICE_TOKEN, TELEMETRY_TOKEN},
    trace::trace_of,
};
use crate::{
    access::{AccessService, TOKEN_AGE},
    audit::{RefusalRecorder, RefusedRequest},
    identity::{Caller, Person, Role, Trace},
};

/// Code of the error for a request about another organization than the caller's.
const NOT_YOURS: &str = "organization_not_found";
/// Longest lead of a token's time of issue over this service's clock.
const LEEWAY: TimeDelta = TimeDelta::seconds(5);

/// Claims of Core's telemetry tokens, beside those that [`Verifier`] checks.
#[derive(Debug, Clone, Deserialize)]
struct Claims {
    sub: String,
    #[serde(default)]
    org: Option<i64>,
    role: Role,
    /// Seconds since 1970, with fractions, which distinguish tokens issued in one second.
    iat: f64,
}

impl Claims {
    fn person(&self) -> Option<Person> {
        let user_id = self.sub.parse().ok()?;
        let valid = match self.org {
            Some(organization_id) => organization_id > 0,
            None => self.role == Role::Superadmin,
        };
        valid.then_some(Person { user_id, organization_id: self.org, role: self.role })
    }

    /// Returns the time of issue to the microsecond, as Core's database stores it; `None` for a number that is no time.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a number that is too large becomes the largest, which is no time"
    )]
    fn issued_at(&self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_micros((self.iat * 1e6).round() as i64)
    }
}

/// Admits people with a token of Core's, and Core with the service token.
pub(crate) struct TelemetryGate {
    verifier: Verifier,
    access: Arc<AccessService>,
    service_tokens: Vec<SecretString>,
    failures: Failures,
    attempts: RefusalRecorder,
}

impl TelemetryGate {
    /// Accepts all `service_tokens`: the present one and, during a rotation, the next. `access` knows the revoked
    /// tokens of people. Failed authentications are counted in `failures`; refused requests are recorded in `attempts`.
    pub(crate) fn new(
        verifier: Verifier,
        access: Arc<AccessService>,
        service_tokens: Vec<SecretString>,
        failures: Failures,
        attempts: RefusalRecorder,
    ) -> Self {
        Self { verifier, access, service_tokens, failures, attempts }
    }

    /// Compares with every token, each in constant time, so that timing reveals neither which token matches nor how
    /// much of it.
    fn is_service(&self, given: &str) -> bool {
        let matches = |token: &SecretString| token.expose_secret().as_bytes().ct_eq(given.as_bytes());
        self.service_tokens.iter().map(matches).fold(Choice::from(0), |any, one| any | one).into()
    }

    /// Verifies a token. Returns its person and its time of issue.
    async fn person(&self, token: &str) -> Result<(Person, DateTime<Utc>), ApiError> {
        let claims = self.verifier.verify::<Claims>(token).await.map_err(refusal)?;
        let (Some(person), Some(issued_at)) = (claims.person(), claims.issued_at()) else {
            return Err(refusal(TokenError::Malformed));
        };
        let age = Utc::now() - issued_at;
        if age < -LEEWAY {
            return Err(refusal(TokenError::NotYetValid));
        }
        // Revocations of older tokens may be forgotten already.
        if age.to_std().is_ok_and(|age| age > TOKEN_AGE) {
            return Err(refusal(TokenError::Expired));
        }
        Ok((person, issued_at))
    }

    /// Returns the caller and its token's time of issue; for a service, the present time.
    async fn caller(&self, operation: &Operation, request: &Request) -> Result<(Caller, DateTime<Utc>), ApiError> {
        let token = bearer(request).ok_or_else(unauthenticated)?;
        if operation.security.contains(&SERVICE_TOKEN) && self.is_service(token) {
            return Ok((Caller::Service, Utc::now()));
        }
        if operation.security.contains(&TELEMETRY_TOKEN) {
            return self.person(token).await.map(|(person, issued_at)| (Caller::Person(person), issued_at));
        }
        Err(unauthenticated())
    }
}

#[async_trait]
impl Gate for TelemetryGate {
    async fn admit(&self, operation: &Operation, request: &mut Request) -> Result<Option<Response>, ApiError> {
        let trace = trace_of(operation.id, request);
        request.extensions_mut().insert(trace);
        let (caller, issued_at) = match self.caller(operation, request).await {
            Ok(known) => known,
            Err(error) => return Err(self.failures.answer(request, error).await),
        };
        // Before the check below, so that a refusal is recorded with its caller.
        request.extensions_mut().insert(caller);
        let Caller::Person(Person { user_id, organization_id, .. }) = caller else { return Ok(None) };
        request.extensions_mut().insert(Subject { user_id: Some(user_id), organization_id });
        if self.access.is_revoked(user_id, organization_id, issued_at).await? {
            return Err(ApiError::unauthorized(
                "token_revoked",
                "The token was revoked because its owner's rights have changed; get a new one from Core.",
            ));
        }
        Ok(None)
    }

    async fn settle(
        &self,
        _operation: &Operation,
        visit: &Extensions,
        outcome: Result<Response, ApiError>,
    ) -> Result<Response, ApiError> {
        if let Err(error) = &outcome
            && is_denied(error)
            && let Some(trace) = visit.get::<Trace>()
        {
            let person = match visit.get::<Caller>() {
                Some(Caller::Person(person)) => Some(*person),
                Some(Caller::Service) | None => None,
            };
            self.attempts.record(&RefusedRequest { person, trace, error_code: error.code() });
        }
        outcome
    }
}

/// Returns true if the caller was not authenticated or not allowed, which includes the 404 for another organization.
fn is_denied(error: &ApiError) -> bool {
    match error.status() {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => true,
        StatusCode::NOT_FOUND => error.code() == NOT_YOURS,
        _ => false,
    }
}

fn unauthenticated() -> ApiError {
    ApiError::unauthorized("unauthenticated", "Send a valid token as `Authorization: Bearer …`.")
}

fn refusal(error: TokenError) -> ApiError {
    match error {
        TokenError::KeysUnavailable => ApiError::unavailable(
            "keys_unavailable",
            "The keys to verify the token are not available at the moment; try again.",
            error,
        ),
        TokenError::Expired => {
            ApiError::unauthorized("token_expired", "The token has expired; get a new one from Core.")
        }
        _ => unauthenticated().with_cause(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(sub: &str, org: impl Into<Option<i64>>, role: Role) -> Option<Person> {
        Claims { sub: sub.to_owned(), org: org.into(), role, iat: 0.0 }.person()
    }

    #[test]
    fn claims_name_a_user_in_an_organization() {
        let patient = Person { user_id: 7, organization_id: Some(3), role: Role::Patient };
        assert_eq!(claims("7", 3, Role::Patient), Some(patient));
        assert_eq!(claims("user_7", 3, Role::Patient), None, "subjects are Core's numeric user ids");
        assert_eq!(claims("7", 0, Role::Superadmin), None, "organization 0 is what belongs to none; nobody is in it");
        assert_eq!(claims("7", None, Role::Admin), None, "an admin of nothing");
        assert!(claims("7", None, Role::Superadmin).is_some());
    }

    #[test]
    fn a_token_is_dated_to_the_microsecond() {
        let issued = |iat| Claims { sub: "7".to_owned(), org: None, role: Role::Superadmin, iat }.issued_at();
        let micros = |iat| issued(iat).map(|at| at.timestamp_micros());
        assert_eq!(micros(1_762_765_200.0), Some(1_762_765_200_000_000), "a version before this one cuts fractions");
        assert_eq!(micros(1_762_765_200.000_001), Some(1_762_765_200_000_001));
        assert_eq!(micros(1_762_765_200.999_999), Some(1_762_765_200_999_999));
        assert_eq!((issued(f64::MAX), issued(-f64::MAX)), (None, None));
    }
}
