use std::marker::PhantomData;

use super::{
    LinkError, Linked,
    repository::{self, Hold},
};
use crate::{
    database::{Database, DatabaseError, WriteTx},
    domain::user::UserEvent,
    identity::{Caller, Changed},
    ids::{OrganizationId, UserId},
};

/// Service for the links of one kind of record.
#[derive(Clone)]
pub(crate) struct Links<R> {
    database: Database,
    kind: PhantomData<R>,
}

impl<R: Linked> Links<R> {
    pub(crate) fn new(database: Database) -> Self {
        Self { database, kind: PhantomData }
    }

    /// Returns the user of a record, for other domains to act on: `None` for no such record, `Some(None)` for one that
    /// nobody signs in as. Keeps the row from changing to the end of the transaction.
    pub(crate) async fn user_of(&self, tx: &mut WriteTx, record: R) -> Result<Option<Option<UserId>>, DatabaseError> {
        repository::record_user(tx, record, Hold::Share).await
    }

    /// Returns true if a record of the context's organization is the user's.
    pub(crate) async fn is_record_of(&self, tx: &mut WriteTx, user: UserId) -> Result<bool, DatabaseError> {
        repository::is_record_of::<R>(tx, user).await
    }

    /// Makes a record the own one of a user who has accepted it, in a transaction of the service itself.
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
        let standing = repository::record_user(tx, record, Hold::Share).await?;
        Err(if standing.is_some() { LinkError::AlreadyLinked } else { LinkError::NotFound }.into())
    }

    /// Ends what a user had by a record, at once.
    pub(crate) async fn unlink(&self, caller: &Caller, record: R) -> Result<(), R::Error> {
        // Nobody but the owner of the table writes links.
        let mut tx = self.database.write(&caller.privileged()).await?;
        let user = repository::record_user(&mut tx, record, Hold::Update).await?.ok_or(LinkError::NotFound)?;
        let user = user.ok_or(LinkError::HasNoUser)?;
        repository::record_unlink(&mut tx, record).await?;
        tx.changed(Changed::User(user));
        tx.commit(record.unlinked().and([UserEvent::Unlinked(user)])).await?;
        Ok(())
    }
}
