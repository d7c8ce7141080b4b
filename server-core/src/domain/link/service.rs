use std::marker::PhantomData;

use super::{
    LinkError, Linked,
    repository::{self, RowLock},
};
use crate::{
    database::{Database, DatabaseError, WriteTx},
    domain::user::UserEvent,
    identity::{Caller, Changed},
    ids::{OrganizationId, UserId},
};

/// Service for the links of a kind of record.
#[derive(Clone)]
pub(crate) struct Links<R> {
    database: Database,
    kind: PhantomData<R>,
}

impl<R: Linked> Links<R> {
    pub(crate) fn new(database: Database) -> Self {
        Self { database, kind: PhantomData }
    }

    /// Returns the user of a record, and locks the record against changes until the end of the transaction: `None` if
    /// the record does not exist, `Some(None)` if it is not linked.
    pub(crate) async fn user_of(&self, tx: &mut WriteTx, record: R) -> Result<Option<Option<UserId>>, DatabaseError> {
        repository::record_user(tx, record, RowLock::Share).await
    }

    /// Returns true if the user is linked to a record in the context's organization.
    pub(crate) async fn is_record_of(&self, tx: &mut WriteTx, user: UserId) -> Result<bool, DatabaseError> {
        repository::is_record_of::<R>(tx, user).await
    }

    /// Links a record to a user who has accepted it, in a transaction of the owner of the table.
    pub(crate) async fn link(
        &self,
        tx: &mut WriteTx,
        organization: OrganizationId,
        record: R,
        user: UserId,
    ) -> Result<(), R::Error> {
        if repository::record_link(tx, organization, record, user).await? {
            return Ok(());
        }
        let present = repository::record_user(tx, record, RowLock::Share).await?;
        Err(if present.is_some() { LinkError::AlreadyLinked } else { LinkError::NotFound }.into())
    }

    /// Unlinks a record; the user loses access with its next request.
    pub(crate) async fn unlink(&self, caller: &Caller, record: R) -> Result<(), R::Error> {
        // Only the owner of the table may write links.
        let mut tx = self.database.write(&caller.privileged()).await?;
        let user = repository::record_user(&mut tx, record, RowLock::Update).await?.ok_or(LinkError::NotFound)?;
        let user = user.ok_or(LinkError::HasNoUser)?;
        repository::record_unlink(&mut tx, record).await?;
        tx.changed(Changed::User(user));
        tx.commit(record.unlinked().and([UserEvent::Unlinked(user)])).await?;
        Ok(())
    }
}
