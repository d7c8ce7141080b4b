//! Authentication, before anything of a request is parsed; what is refused is recorded.

use async_trait::async_trait;
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
    Trace,
    caller::{Caller, Person, Role, SERVICE_TOKEN, TELEMETRY_TOKEN},
};
use crate::audit::{Attempt, Attempts};

/// The code of what is asked of an organization that is not the caller's.
const NOT_YOURS: &str = "organization_not_found";

/// What Core's telemetry tokens claim, beside what [`Verifier`] checks.
#[derive(Debug, Clone, Deserialize)]
struct Claims {
    sub: String,
    #[serde(default)]
    org: Option<i64>,
    role: Role,
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
}

/// Admits people with a token of Core's, and Core with the service token.
pub(crate) struct TelemetryGate {
    verifier: Verifier,
    service_tokens: Vec<SecretString>,
    failures: Failures,
    attempts: Attempts,
}

impl TelemetryGate {
    /// `service_tokens` are all accepted: the present one and, while it rotates, the next. Who is not known
    /// is counted in `failures`; what is refused goes to `attempts`.
    pub(crate) fn new(
        verifier: Verifier,
        service_tokens: Vec<SecretString>,
        failures: Failures,
        attempts: Attempts,
    ) -> Self {
        Self { verifier, service_tokens, failures, attempts }
    }

    /// Compares with every token, each in constant time, so that timing tells nothing of which or
    /// how far.
    fn is_service(&self, given: &str) -> bool {
        let matches = |token: &SecretString| token.expose_secret().as_bytes().ct_eq(given.as_bytes());
        self.service_tokens.iter().map(matches).fold(Choice::from(0), |any, one| any | one).into()
    }

    async fn person(&self, token: &str) -> Result<Person, ApiError> {
        let claims = self.verifier.verify::<Claims>(token).await.map_err(refusal)?;
        claims.person().ok_or_else(|| refusal(TokenError::Malformed))
    }

    async fn caller(&self, operation: &Operation, request: &Request) -> Result<Caller, ApiError> {
        let token = bearer(request).ok_or_else(unauthenticated)?;
        if operation.security.contains(&SERVICE_TOKEN) && self.is_service(token) {
            return Ok(Caller::Service);
        }
        if operation.security.contains(&TELEMETRY_TOKEN) {
            return self.person(token).await.map(Caller::Person);
        }
        Err(unauthenticated())
    }
}

#[async_trait]
impl Gate for TelemetryGate {
    async fn admit(&self, operation: &Operation, request: &mut Request) -> Result<Option<Response>, ApiError> {
        let trace = Trace::of(operation.id, request);
        request.extensions_mut().insert(trace);
        let caller = match self.caller(operation, request).await {
            Ok(caller) => caller,
            Err(error) => return Err(self.failures.answer(request, error).await),
        };
        request.extensions_mut().insert(caller);
        if let Caller::Person(person) = caller {
            let subject = Subject { user_id: Some(person.user_id), organization_id: person.organization_id };
            request.extensions_mut().insert(subject);
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
            self.attempts.record(&Attempt { person, trace, error_code: error.code() });
        }
        outcome
    }
}

/// Whether the caller was not known, or may not do this. Another organization is answered as if there was
/// none.
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
            "The keys to check the token with can't be had at the moment; try again.",
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
        Claims { sub: sub.to_owned(), org: org.into(), role }.person()
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
}
