//! Limit on failed authentications from one address; one budget for every kind of credentials.
//!
//! Failures are counted after authentication, not before it: valid credentials always pass, so one broken client
//! can't lock out others that share its address, and a client that renews its token late is admitted as soon as it has
//! the new one. Requests refused with 429 get no entry in the trail.

use std::{net::IpAddr, time::Duration};

use poem::{Request, http::StatusCode};

use super::{client_ip::ClientIp, rate_limit};
use crate::{
    error::ApiError,
    rate_limit::{Limiter, Policy, Verdict, Who},
};

/// Failures a minute. An honest client fails once and renews its token, or stops.
const FAILURES: u32 = 20;

/// Budget of failures. Clones count together.
#[derive(Debug, Clone)]
pub struct Failures {
    limiter: Limiter,
    policy: Policy,
}

impl Failures {
    /// Allows 20 a minute for each address, times `scale`.
    pub fn new(limiter: Limiter, scale: u32) -> Self {
        let policy = Policy::new("authentication_failure", FAILURES, Duration::from_mins(1)).scaled(scale);
        Self { limiter, policy }
    }

    /// Counts a failure of an address. Returns the verdict if there were too many.
    pub async fn count(&self, ip: Option<IpAddr>) -> Option<Verdict> {
        let verdict = self.limiter.take(self.policy, Who::address(ip?)).await;
        (!verdict.admitted).then_some(verdict)
    }

    /// Returns the error for a request that failed authentication: its own, or 429 if its address has sent too many
    /// with wrong credentials. An expired token counts.
    pub async fn answer(&self, request: &mut Request, error: ApiError) -> ApiError {
        if error.status() != StatusCode::UNAUTHORIZED {
            return error;
        }
        let Some(verdict) = self.count(ClientIp::of(request)).await else { return error };
        request.extensions_mut().insert(verdict);
        rate_limit::refusal(&verdict)
    }
}
