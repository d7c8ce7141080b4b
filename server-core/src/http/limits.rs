//! What a caller may ask of this service in a minute, and how often an address may fail to say who it
//! is.
//!
//! A limit on failures stands behind authentication, not before it: credentials that are good always
//! pass, so one broken client can't lock its whole clinic out, and those that aren't are answered with
//! 429 instead of 401. Before authentication stands the limit by address.

use std::{net::IpAddr, time::Duration};

use async_trait::async_trait;
use poem::{
    Request, Response,
    http::{Extensions, Method, StatusCode},
};
use server_shared::{
    ApiError,
    http::{Gate, Operation, client_ip::ClientIp, rate_limit},
    rate_limit::{Limiter, Policy, Verdict, Who},
};

use super::Caller;
use crate::audit::Actor;

/// Files of any size: what lies below the one, and what ends in the other.
const EXPORTS: &str = "/v1/export/";
const EXPORT: &str = "/export";

const MINUTE: Duration = Duration::from_mins(1);

/// What a caller may ask for, and an address may fail in. Clones count together.
#[derive(Clone)]
pub(crate) struct Budgets {
    limiter: Limiter,
    read: Policy,
    write: Policy,
    export: Policy,
    failure: Policy,
}

impl Budgets {
    /// Every limit times `scale`.
    pub(crate) fn new(limiter: Limiter, scale: u32) -> Self {
        Self {
            limiter,
            read: Policy::new("read", 600, MINUTE).scaled(scale),
            write: Policy::new("write", 120, MINUTE).scaled(scale),
            export: Policy::new("export", 5, 5 * MINUTE).scaled(scale),
            failure: Policy::new("authentication_failure", 20, MINUTE).scaled(scale),
        }
    }

    fn policy(&self, operation: &Operation) -> Policy {
        if operation.path.starts_with(EXPORTS) || operation.path.ends_with(EXPORT) {
            return self.export;
        }
        if [Method::GET, Method::HEAD].contains(&operation.method) { self.read } else { self.write }
    }

    /// Counts a read of somebody's.
    pub(super) async fn read(&self, who: Who) -> Verdict {
        self.limiter.take(self.read, who).await
    }

    /// Counts a failure of an address; the verdict, if it has failed too often.
    pub(super) async fn failed(&self, ip: Option<IpAddr>) -> Option<Verdict> {
        let verdict = self.limiter.take(self.failure, Who::address(ip?)).await;
        (!verdict.admitted).then_some(verdict)
    }
}

/// A gate behind whose callers are counted.
pub(crate) struct CallerLimits<G> {
    gate: G,
    budgets: Budgets,
}

impl<G> CallerLimits<G> {
    /// Counts in `budgets`.
    pub(crate) fn new(gate: G, budgets: Budgets) -> Self {
        Self { gate, budgets }
    }

    /// The error of a request that nobody is known to have sent: its own, or 429 if its address has
    /// sent too many of them. A token that has merely expired is no guess.
    async fn unknown(&self, request: &mut Request, error: ApiError) -> ApiError {
        if error.status() != StatusCode::UNAUTHORIZED || error.code() == "token_expired" {
            return error;
        }
        let Some(verdict) = self.budgets.failed(ClientIp::of(request)).await else { return error };
        request.extensions_mut().insert(verdict);
        rate_limit::refusal(&verdict)
    }
}

#[async_trait]
impl<G: Gate> Gate for CallerLimits<G> {
    async fn admit(&self, operation: &Operation, request: &mut Request) -> Result<Option<Response>, ApiError> {
        let admitted = self.gate.admit(operation, request).await;
        let Some(who) = request.extensions().get::<Caller>().and_then(|caller| who(caller.request.actor)) else {
            return match admitted {
                Err(error) => Err(self.unknown(request, error).await),
                answered => answered,
            };
        };
        let verdict = self.budgets.limiter.take(self.budgets.policy(operation), who).await;
        request.extensions_mut().insert(verdict);
        if verdict.admitted { admitted } else { Err(rate_limit::refusal(&verdict)) }
    }

    async fn settle(
        &self,
        operation: &Operation,
        visit: &Extensions,
        outcome: Result<Response, ApiError>,
    ) -> Result<Response, ApiError> {
        self.gate.settle(operation, visit, outcome).await
    }
}

/// Whose budget it is.
pub(super) fn who(actor: Actor) -> Option<Who> {
    match actor {
        Actor::User(id) => Some(Who::Caller("user", id.0)),
        Actor::ApiKey(id) => Some(Who::Caller("api_key", id.0)),
        Actor::System | Actor::Anonymous => None,
    }
}
