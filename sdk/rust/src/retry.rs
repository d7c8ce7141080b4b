//! Retries of calls, and the waits before them.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::{Method, Request, Response, StatusCode};
use uuid::Uuid;

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Number of attempts of a call, and the waits between them.
///
/// A call is tried again after answers 429, 502, 503 and 504 and lost connections, for GET, HEAD, PUT and
/// DELETE, and for POST with an `Idempotency-Key`, which each POST to Core gets; with such a key also
/// a 409 that has a `Retry-After`, for the first attempt is still being carried out then. A connection
/// that was never made is tried again for every method. The wait doubles each time, half of it random,
/// and is never shorter than `Retry-After` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// Attempts in all, the first included. 1 means no retry.
    pub attempts: u32,
    /// The wait before the second attempt.
    pub first_wait: Duration,
    /// The longest wait. If a service asks for more by `Retry-After`, its answer is returned as it
    /// is instead of being waited out.
    pub longest_wait: Duration,
}

impl Default for Retries {
    /// Three attempts, 200 ms before the second, 10 s at most.
    fn default() -> Self {
        Self { attempts: 3, first_wait: Duration::from_millis(200), longest_wait: Duration::from_secs(10) }
    }
}

impl Retries {
    /// No second attempt.
    pub const fn none() -> Self {
        Self { attempts: 1, first_wait: Duration::ZERO, longest_wait: Duration::ZERO }
    }

    /// Returns the wait before the next attempt after `outcome` of attempt number `attempt` (from 1), or `None` if the
    /// outcome is final.
    pub(crate) fn wait_after(
        &self,
        attempt: u32,
        repeat: Repeat,
        outcome: &reqwest::Result<Response>,
    ) -> Option<Duration> {
        let repeatable = repeat != Repeat::Never;
        if attempt >= self.attempts {
            return None;
        }
        match outcome {
            Ok(response) if repeatable && is_transient(response, repeat) => match retry_after(response.headers()) {
                Some(asked) if asked > self.longest_wait => None,
                asked => Some(self.backoff(attempt).max(asked.unwrap_or_default())),
            },
            Ok(_) => None,
            Err(fault) => {
                let lost = fault.is_request() && !fault.is_timeout() && !fault.is_builder();
                (fault.is_connect() || (repeatable && lost)).then(|| self.backoff(attempt))
            }
        }
    }

    fn backoff(&self, attempt: u32) -> Duration {
        let full = self.first_wait.saturating_mul(1 << (attempt - 1).min(16)).min(self.longest_wait);
        // A random UUID is the jitter: it spares a dependency on a random number generator.
        let random = f64::from(Uuid::new_v4().as_fields().0) / f64::from(u32::MAX);
        full.mul_f64(0.5 + random / 2.0)
    }
}

/// Safety of sending a request twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Unsafe, or unknown.
    Never,
    /// Safe by its method.
    Always,
    /// Safe by its `Idempotency-Key`.
    Keyed,
}

impl Repeat {
    pub(crate) fn of(request: &Request) -> Self {
        match *request.method() {
            Method::GET | Method::HEAD | Method::PUT | Method::DELETE => Self::Always,
            Method::POST if request.headers().contains_key(IDEMPOTENCY_KEY) => Self::Keyed,
            _ => Self::Never,
        }
    }
}

fn is_transient(response: &Response, repeat: Repeat) -> bool {
    match response.status() {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => true,
        // A conflict that passes by waiting: the request with this key is still being carried out.
        StatusCode::CONFLICT => repeat == Repeat::Keyed && response.headers().contains_key(RETRY_AFTER),
        _ => false,
    }
}

/// `Retry-After` in its form of seconds, the only one our services send.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
