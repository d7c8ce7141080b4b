//! Limits as callers see them: headers, 429, and the limit by address that stands before
//! authentication.

use std::time::Duration;

use poem::{
    Endpoint, IntoResponse, Middleware, Request, Response, Result,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
};

use super::{client_ip::ClientIp, request_id::RequestId};
use crate::{
    error::ApiError,
    rate_limit::{Limiter, Policy, Verdict, Who},
};

/// Requests that a caller may make in a period.
pub const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
/// How many more would be admitted now.
pub const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
/// Seconds until all of the budget is back.
pub const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// 429, with when to come back.
pub fn refusal(verdict: &Verdict) -> ApiError {
    ApiError::new(
        StatusCode::TOO_MANY_REQUESTS,
        "rate_limited",
        "Too many requests; wait as many seconds as Retry-After says.",
    )
    .with_retry_after(verdict.retry_after)
}

/// Says in the headers of an answer what its caller may still do.
pub fn announce(verdict: &Verdict, headers: &mut HeaderMap) {
    headers.insert(LIMIT, HeaderValue::from(verdict.limit));
    headers.insert(REMAINING, HeaderValue::from(verdict.remaining));
    headers.insert(RESET, HeaderValue::from(whole_seconds(verdict.reset)));
}

/// Rounded up: a caller that waits this long must not come too early.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// What the machinery around a service asks. Behind a balancer its probes share one address, and a
/// service must not look dead because it is busy.
const PROBES: [&str; 3] = ["/health", "/ready", "/metrics"];

/// Middleware that bounds what one address may send, whoever it says it is, but for probes. Generous: a
/// whole clinic may be behind one.
#[derive(Debug, Clone)]
pub struct AddressLimit {
    limiter: Limiter,
    policy: Policy,
}

impl AddressLimit {
    /// Counts in `limiter`.
    pub fn new(limiter: Limiter, policy: Policy) -> Self {
        Self { limiter, policy }
    }
}

impl<E: Endpoint> Middleware<E> for AddressLimit {
    type Output = AddressLimitEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        AddressLimitEndpoint { inner, limit: self.clone() }
    }
}

/// See [`AddressLimit`].
pub struct AddressLimitEndpoint<E> {
    inner: E,
    limit: AddressLimit,
}

impl<E: Endpoint> Endpoint for AddressLimitEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let counted = ClientIp::of(&request).filter(|_| !PROBES.contains(&request.uri().path()));
        if let Some(ip) = counted {
            let verdict = self.limit.limiter.take(self.limit.policy, Who::address(ip)).await;
            if !verdict.admitted {
                let mut response = refusal(&verdict).render(RequestId::of(&request));
                announce(&verdict, response.headers_mut());
                return Ok(response);
            }
        }
        Ok(self.inner.call(request).await?.into_response())
    }
}
