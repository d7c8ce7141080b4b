//! Rate limits of callers. Requests of unknown callers count against the budget of failures.

use std::time::Duration;

use async_trait::async_trait;
use poem::{
    Request, Response,
    http::{Extensions, Method},
};
use server_shared::{
    ApiError,
    http::{Gate, Operation, failure::Failures, rate_limit},
    rate_limit::{Limiter, Policy, Verdict, Who},
};

use crate::identity::{Actor, Caller};

/// Prefix of the paths of exports as files of any size.
const EXPORTS: &str = "/v1/export/";
/// Suffix of the paths of a person's export.
const EXPORT: &str = "/export";

const MINUTE: Duration = Duration::from_mins(1);

/// Rate limits of each caller, for reads, writes and exports. Clones count together.
#[derive(Clone)]
pub(crate) struct Budgets {
    limiter: Limiter,
    read: Policy,
    write: Policy,
    export: Policy,
}

impl Budgets {
    /// Multiplies every limit by `scale`.
    pub(crate) fn new(limiter: Limiter, scale: u32) -> Self {
        Self {
            limiter,
            read: Policy::new("read", 600, MINUTE).scaled(scale),
            write: Policy::new("write", 120, MINUTE).scaled(scale),
            export: Policy::new("export", 5, 5 * MINUTE).scaled(scale),
        }
    }

    fn policy(&self, operation: &Operation) -> Policy {
        // Asking how far an export is counts as a read.
        let is_table = operation.path.starts_with(EXPORTS) && operation.method == Method::POST;
        if is_table || operation.path.ends_with(EXPORT) {
            return self.export;
        }
        if [Method::GET, Method::HEAD].contains(&operation.method) { self.read } else { self.write }
    }

    /// Counts a read of a caller.
    pub(super) async fn read(&self, who: Who) -> Verdict {
        self.limiter.take(self.read, who).await
    }
}

/// Gate that counts the requests of callers whom the inner gate admits.
pub(crate) struct CallerLimits<G> {
    gate: G,
    budgets: Budgets,
    failures: Failures,
}

impl<G> CallerLimits<G> {
    /// Counts requests of callers in `budgets`, and failed authentications in `failures`.
    pub(crate) fn new(gate: G, budgets: Budgets, failures: Failures) -> Self {
        Self { gate, budgets, failures }
    }
}

#[async_trait]
impl<G: Gate> Gate for CallerLimits<G> {
    async fn admit(&self, operation: &Operation, request: &mut Request) -> Result<Option<Response>, ApiError> {
        let admitted = self.gate.admit(operation, request).await;
        let Some(who) = request.extensions().get::<Caller>().and_then(|caller| who(caller.request.actor)) else {
            return match admitted {
                Err(error) => Err(self.failures.answer(request, error).await),
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

/// Returns the owner of the budget.
pub(super) fn who(actor: Actor) -> Option<Who> {
    match actor {
        Actor::User(id) => Some(Who::Caller("user", id.0)),
        Actor::ApiKey(id) => Some(Who::Caller("api_key", id.0)),
        Actor::System | Actor::Anonymous => None,
    }
}
