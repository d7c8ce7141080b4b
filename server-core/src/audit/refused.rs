//! Queue of the audit entries of refused and failed requests. They have no transaction to be part of, so the queue
//! writes them on the owner's pool.

use ipnet::IpNet;
use server_shared::{
    address::{common, neighbourhood},
    attempts::{self, Store, Unstored},
};
use tokio_util::sync::CancellationToken;

use super::{
    entry::{Refusal, RefusedRequest},
    repository,
};
use crate::{
    database::{Across, DatabaseError},
    identity::{Actor, Origin},
    ids::{OrganizationId, UserId},
    wake::Wake,
};

/// Largest number of queued entries; some 5 MB.
const QUEUE: usize = 10_000;
/// Operation id of an entry that stands for failures of unknown callers at several operations.
const STRANGERS: &str = "authentication_failed";
/// Largest number that the column `occurrences` holds.
const MOST_COUNTED: u32 = i32::MAX.unsigned_abs();

/// Queue that takes the audit entries of refused requests; adding one never waits or fails.
pub(crate) type RefusedRequests = attempts::Attempts<RefusedRequest>;

impl attempts::Attempt for RefusedRequest {
    type Kind = (Actor, Option<UserId>, Option<OrganizationId>, &'static str, Refusal, String, Option<IpNet>);

    fn kind(&self) -> Self::Kind {
        let Origin { actor, impersonator, organization, operation_id, ip, .. } = self.origin;
        let (operation, network) = if self.is_strangers() { ("", ip.map(neighbourhood)) } else { (operation_id, None) };
        (actor, impersonator, organization, operation, self.refusal, self.error_code.clone(), network)
    }

    fn is_strangers(&self) -> bool {
        self.origin.actor == Actor::Anonymous && self.origin.impersonator.is_none()
    }

    fn forget_address(&mut self) {
        self.origin.ip = None;
    }

    fn merge(&mut self, other: Self) {
        let (own, its) = (&mut self.origin, other.origin);
        own.ip = common(own.ip, its.ip);
        if own.operation_id != its.operation_id {
            own.operation_id = STRANGERS;
            self.entity_type = None;
        }
        if own.request_id != its.request_id {
            own.request_id.clear();
        }
        if own.client_request_id != its.client_request_id {
            own.client_request_id = None;
        }
        if own.user_agent != its.user_agent {
            own.user_agent = None;
        }
        if self.entity_id != other.entity_id {
            self.entity_id = None;
        }
        self.occurrences = self.occurrences.saturating_add(other.occurrences).min(MOST_COUNTED);
    }
}

/// Task that writes the entries taken by [`RefusedRequests`].
pub(crate) struct RefusedRequestWriter {
    writer: attempts::AttemptWriter<RefusedRequest>,
    trail: Trail,
}

/// Audit log, as the place where the entries are stored.
struct Trail {
    across: Across,
    wake: Wake,
}

impl Store<RefusedRequest> for Trail {
    type Error = DatabaseError;

    async fn store(&self, requests: &[RefusedRequest]) -> Result<(), Unstored<DatabaseError>> {
        repository::refused_append(&self.across, requests).await.map_err(|error| match error {
            DatabaseError::Unavailable(_) => Unstored::Unavailable(error),
            _ => Unstored::Refused(error),
        })?;
        self.wake.wake();
        Ok(())
    }
}

impl RefusedRequestWriter {
    /// Creates a queue and the writer that empties it. `across` is the owner's pool, which may append entries for every
    /// organization.
    pub(crate) fn new(across: Across, wake: Wake) -> (RefusedRequests, Self) {
        let (queue, writer) = attempts::queue(QUEUE);
        (queue, Self { writer, trail: Trail { across, wake } })
    }

    /// Writes entries until `stop`, then those that are left.
    pub(crate) async fn run(self, stop: CancellationToken) {
        self.writer.run(self.trail, stop).await;
    }
}
