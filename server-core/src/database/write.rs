//! The door for changes.

use sqlx::{PgConnection, PgPool};

use super::{Context, DatabaseError, Lock, Sealed, Tx, session::Session};
use crate::audit::{Audit, Origin, Wake};

/// Changes rows. Dropped, it rolls back; committed, it leaves an audit entry.
pub(crate) struct WriteTx {
    session: Session,
    origin: Origin,
    wake: Wake,
}

impl WriteTx {
    pub(super) async fn begin(
        pool: &PgPool,
        context: &Context,
        locks: Vec<Lock>,
        origin: Origin,
        wake: Wake,
    ) -> Result<Self, DatabaseError> {
        let session = Session::begin(pool, context, locks).await?;
        Ok(Self { session, origin, wake })
    }

    /// Commits the changes together with their audit entry.
    pub(crate) async fn commit(self, audit: Audit) -> Result<(), DatabaseError> {
        self.session.commit(&audit, &self.origin).await?;
        self.wake.wake();
        Ok(())
    }

    /// Commits, and hands out what the change left, which is protected health information.
    pub(crate) async fn commit_sealed<T>(
        self,
        sealed: Sealed<T>,
        audit: impl FnOnce(&T) -> Audit,
    ) -> Result<T, DatabaseError> {
        let audit = audit(sealed.peek());
        self.session.commit(&audit, &self.origin).await?;
        self.wake.wake();
        Ok(sealed.open())
    }
}

impl Tx for WriteTx {
    fn connection(&mut self) -> Result<&mut PgConnection, DatabaseError> {
        self.session.connection()
    }
}
