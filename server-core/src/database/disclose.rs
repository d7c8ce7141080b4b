//! The door for protected health information.

use sqlx::{PgConnection, PgPool};

use super::{Context, DatabaseError, Sealed, Tx, session::Session};
use crate::{
    audit::{Audit, Origin},
    wake::Wake,
};

/// Reads rows that come out only together with an audit entry.
pub(crate) struct DiscloseTx {
    session: Session,
    origin: Origin,
    wake: Wake,
}

impl DiscloseTx {
    pub(super) async fn begin(
        pool: &PgPool,
        context: &Context,
        origin: Origin,
        wake: Wake,
    ) -> Result<Self, DatabaseError> {
        let session = Session::begin(pool, &context.begin(Vec::new())).await?;
        Ok(Self { session, origin, wake })
    }

    /// Writes the audit entry that `audit` makes of the value, commits, and hands the value out.
    pub(crate) async fn disclose<T>(
        self,
        sealed: Sealed<T>,
        audit: impl FnOnce(&T) -> Audit,
    ) -> Result<T, DatabaseError> {
        let audit = audit(sealed.peek());
        self.session.commit(&audit.statement(&self.origin)).await?;
        self.wake.wake();
        Ok(sealed.open())
    }
}

impl Tx for DiscloseTx {
    fn connection(&mut self) -> Result<&mut PgConnection, DatabaseError> {
        self.session.connection()
    }
}
