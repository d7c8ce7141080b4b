//! Limits as callers see them: headers, 429, and the limit by address that comes before
//! authentication.

use std::time::Duration;

use poem::{
    Endpoint, IntoResponse, Middleware, Request, Response, Result,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
};

use super::{client_ip::ClientIp, cors::Cors, request_id::RequestId};
use crate::{
    error::ApiError,
    rate_limit::{Limiter, Policy, Verdict, Who},
};

/// Number of requests in the whole budget.
pub const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
/// Number of requests that the budget still allows now.
pub const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
/// Seconds until the whole budget is available again.
pub const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Returns the error 429 with `Retry-After`.
pub fn refusal(verdict: &Verdict) -> ApiError {
    ApiError::new(
        StatusCode::TOO_MANY_REQUESTS,
        "rate_limited",
        "Too many requests; wait as many seconds as Retry-After says.",
    )
    .with_retry_after(verdict.retry_after)
}

/// Sets the headers of an answer that state its caller's remaining budget.
pub fn announce(verdict: &Verdict, headers: &mut HeaderMap) {
    headers.insert(LIMIT, HeaderValue::from(verdict.limit));
    headers.insert(REMAINING, HeaderValue::from(verdict.remaining));
    headers.insert(RESET, HeaderValue::from(whole_seconds(verdict.reset)));
}

/// Rounds up, so that a caller that waits this long does not come too early.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// Paths that a load balancer or a monitor polls. They have a budget of their own, counted in process, so that a
/// service does not look dead because it is busy or Redis is down. All probes of a balancer have one address.
const PROBES: [&str; 3] = ["/health", "/ready", "/metrics"];
/// Probes a minute from one address.
const PROBE_LIMIT: u32 = 1_200;

/// Middleware that limits the requests of one address, regardless of credentials. The limit is generous, because a
/// whole clinic may have one address.
///
/// It is in front of all other work, CORS and the attack blocker included; its refusals still have the headers of CORS,
/// so that browsers can read them.
#[derive(Debug, Clone)]
pub struct AddressLimit {
    limiter: Limiter,
    requests: Policy,
    probes: Policy,
    cors: Cors,
}

impl AddressLimit {
    /// Allows `per_minute` requests; multiplies all limits by `scale`.
    pub fn new(limiter: Limiter, per_minute: u32, scale: u32, cors: Cors) -> Self {
        let policy = |class, limit| Policy::new(class, limit, Duration::from_mins(1)).scaled(scale);
        Self { limiter, requests: policy("address", per_minute), probes: policy("probe", PROBE_LIMIT), cors }
    }

    async fn refusal(&self, request: &Request) -> Option<Verdict> {
        let who = Who::address(ClientIp::of(request)?);
        let verdict = if PROBES.contains(&request.uri().path()) {
            self.limiter.take_here(self.probes, who)
        } else {
            self.limiter.take(self.requests, who).await
        };
        (!verdict.admitted).then_some(verdict)
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
        if let Some(verdict) = self.limit.refusal(&request).await {
            let mut response = refusal(&verdict).render(RequestId::of(&request));
            announce(&verdict, response.headers_mut());
            self.limit.cors.mark(&request, &mut response);
            return Ok(response);
        }
        Ok(self.inner.call(request).await?.into_response())
    }
}
