//! Denied and failed attempts: they have no transaction to join, so a queue writes them on the owner's
//! pool.

use ipnet::IpNet;
use server_shared::{
    address::{common, neighbourhood},
    attempts::{self, Store, Unstored},
};
use tokio_util::sync::CancellationToken;

use super::{
    entry::{Attempt, Refusal},
    repository,
};
use crate::{
    database::{Across, DatabaseError},
    identity::{Actor, Origin},
    ids::{OrganizationId, UserId},
    wake::Wake,
};

/// Attempts that wait at most; some 5 MB.
const QUEUE: usize = 10_000;
/// The operation of strangers who failed at several.
const STRANGERS: &str = "authentication_failed";
/// What the column can hold.
const MOST_COUNTED: u32 = i32::MAX.unsigned_abs();

/// Takes attempts, at once and always.
pub(crate) type Attempts = attempts::Attempts<Attempt>;

impl attempts::Attempt for Attempt {
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

/// The job that writes what [`Attempts`] took.
pub(crate) struct AttemptWriter {
    writer: attempts::AttemptWriter<Attempt>,
    trail: Trail,
}

/// The audit log.
struct Trail {
    across: Across,
    wake: Wake,
}

impl Store<Attempt> for Trail {
    type Error = DatabaseError;

    async fn store(&self, attempts: &[Attempt]) -> Result<(), Unstored<DatabaseError>> {
        repository::attempts_append(&self.across, attempts).await.map_err(|error| match error {
            DatabaseError::Unavailable(_) => Unstored::Unavailable(error),
            _ => Unstored::Refused(error),
        })?;
        self.wake.wake();
        Ok(())
    }
}

impl AttemptWriter {
    /// A queue, and who empties it; `across` is the owner's pool, which may append for every organization.
    pub(crate) fn new(across: Across, wake: Wake) -> (Attempts, Self) {
        let (attempts, writer) = attempts::queue(QUEUE);
        (attempts, Self { writer, trail: Trail { across, wake } })
    }

    /// Writes until `stop`, then what is left.
    pub(crate) async fn run(self, stop: CancellationToken) {
        self.writer.run(self.trail, stop).await;
    }
}
