//! Denied and failed attempts: they have no transaction to join, so a queue writes them on the owner's
//! pool.

use server_shared::attempts::{self, Store, Unstored};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::{
    entry::{Actor, Attempt, Origin, Refusal},
    repository,
};
use crate::{
    database::DatabaseError,
    ids::{OrganizationId, UserId},
    wake::Wake,
};

/// Attempts that wait at most; some 5 MB.
const QUEUE: usize = 10_000;
/// What the column can hold.
const MOST_COUNTED: u32 = i32::MAX.unsigned_abs();

/// Takes attempts, at once and always.
pub(crate) type Attempts = attempts::Attempts<Attempt>;

impl attempts::Attempt for Attempt {
    type Kind = (Actor, Option<UserId>, Option<OrganizationId>, &'static str, Refusal, String);

    fn kind(&self) -> Self::Kind {
        let Origin { actor, impersonator, organization, operation_id, .. } = self.origin;
        (actor, impersonator, organization, operation_id, self.refusal, self.error_code.clone())
    }

    fn collapsed(self) -> Self {
        let origin =
            Origin { ip: None, user_agent: None, request_id: String::new(), client_request_id: None, ..self.origin };
        Self { origin, entity_id: None, ..self }
    }

    fn count(&mut self) {
        self.occurrences = self.occurrences.saturating_add(1).min(MOST_COUNTED);
    }
}

/// The job that writes what [`Attempts`] took.
pub(crate) struct AttemptWriter {
    writer: attempts::AttemptWriter<Attempt>,
    trail: Trail,
}

/// The audit log.
struct Trail {
    admin: PgPool,
    wake: Wake,
}

impl Store<Attempt> for Trail {
    type Error = DatabaseError;

    async fn store(&self, attempts: &[Attempt]) -> Result<(), Unstored<DatabaseError>> {
        repository::attempts_append(&self.admin, attempts).await.map_err(|error| match error {
            DatabaseError::Unavailable(_) => Unstored::Unavailable(error),
            _ => Unstored::Refused(error),
        })?;
        self.wake.wake();
        Ok(())
    }
}

impl AttemptWriter {
    /// A queue, and who empties it; `admin` is the owner's pool, which may append for every organization.
    pub(crate) fn new(admin: PgPool, wake: Wake) -> (Attempts, Self) {
        let (attempts, writer) = attempts::queue(QUEUE);
        (attempts, Self { writer, trail: Trail { admin, wake } })
    }

    /// Writes until `stop`, then what is left.
    pub(crate) async fn run(self, stop: CancellationToken) {
        self.writer.run(self.trail, stop).await;
    }
}
