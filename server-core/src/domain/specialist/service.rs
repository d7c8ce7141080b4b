use server_shared::http::{Page, Paging};

use super::{
    error::SpecialistError,
    event::SpecialistEvent,
    model::{Specialist, SpecialistFilter, SpecialistInput, SpecialistSort},
    repository,
};
use crate::{
    database::{Database, DatabaseError, WriteTx},
    domain::rules::check_timezone,
    domain::user::UserEvent,
    event::{Events, changed},
    identity::{Caller, Changed},
    ids::{OrganizationId, SpecialistId, UserId},
};

const FIELDS: [&str; 5] = ["name", "title", "specialty_ids", "timezone", "bookable"];

/// People who treat patients.
#[derive(Clone)]
pub(crate) struct Service {
    database: Database,
}

impl Service {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    pub(super) async fn list(
        &self,
        caller: &Caller,
        filter: SpecialistFilter,
        sort: SpecialistSort,
        paging: Paging,
    ) -> Result<Page<Specialist>, SpecialistError> {
        let mut reader = self.database.read(caller).open().await?;
        Ok(repository::specialist_page(&mut reader, filter, sort, paging).await?)
    }

    pub(super) async fn get(&self, caller: &Caller, id: SpecialistId) -> Result<Specialist, SpecialistError> {
        let mut reader = self.database.read(caller).open().await?;
        reader.get(id).await?.ok_or(SpecialistError::NotFound)
    }

    pub(super) async fn create(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        input: &SpecialistInput,
    ) -> Result<Specialist, SpecialistError> {
        check_timezone("/timezone", &input.timezone)?;
        let mut tx = self.database.write(caller).await?;
        let specialist = repository::specialist_create(&mut tx, organization, input).await?;
        tx.commit(SpecialistEvent::Created(specialist.id)).await?;
        Ok(specialist)
    }

    pub(super) async fn update(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: SpecialistId,
        input: &SpecialistInput,
    ) -> Result<Specialist, SpecialistError> {
        check_timezone("/timezone", &input.timezone)?;
        let mut tx = self.database.write(caller).await?;
        let before = tx.lock::<Specialist>(id).await?.ok_or(SpecialistError::NotFound)?;
        let specialist =
            repository::specialist_update(&mut tx, organization, id, input).await?.ok_or(SpecialistError::NotFound)?;
        let changed = changed(&before, &specialist, &FIELDS);
        tx.commit(SpecialistEvent::Updated(specialist.id, changed)).await?;
        Ok(specialist)
    }

    /// The user of a specialist: `None` for no such specialist, `Some(None)` for one who can't sign in. Keeps the
    /// row from changing to the end of the transaction.
    pub(crate) async fn user_of(
        &self,
        tx: &mut WriteTx,
        id: SpecialistId,
    ) -> Result<Option<Option<UserId>>, DatabaseError> {
        repository::specialist_user(tx, id).await
    }

    /// Returns true if the user is linked to a specialist of the context's organization.
    pub(crate) async fn is_record_of(&self, tx: &mut WriteTx, user: UserId) -> Result<bool, DatabaseError> {
        repository::is_record_of(tx, user).await
    }

    /// Makes a specialist the own one of a user who has accepted it, in a transaction of the service itself.
    pub(crate) async fn link(
        &self,
        tx: &mut WriteTx,
        organization: OrganizationId,
        id: SpecialistId,
        user: UserId,
    ) -> Result<(), SpecialistError> {
        if repository::specialist_link(tx, organization, id, user).await? {
            return Ok(());
        }
        let linked = repository::specialist_user(tx, id).await?;
        Err(if linked.is_some() { SpecialistError::AlreadyLinked } else { SpecialistError::NotFound })
    }

    /// Ends what a user had by a specialist record, at once.
    pub(crate) async fn unlink(&self, caller: &Caller, id: SpecialistId) -> Result<(), SpecialistError> {
        // Nobody but the owner of the table writes links.
        let mut tx = self.database.write(&caller.privileged()).await?;
        let user = repository::specialist_user(&mut tx, id).await?.ok_or(SpecialistError::NotFound)?;
        let user = user.ok_or(SpecialistError::HasNoUser)?;
        repository::specialist_unlink(&mut tx, id).await?;
        tx.changed(Changed::User(user));
        tx.commit(Events::from(SpecialistEvent::Unlinked(id)).and([UserEvent::Unlinked(user)])).await?;
        Ok(())
    }

    pub(super) async fn delete(&self, caller: &Caller, id: SpecialistId) -> Result<(), SpecialistError> {
        let mut tx = self.database.write(caller).await?;
        let linked = repository::specialist_delete(&mut tx, id).await?.ok_or(SpecialistError::NotFound)?;
        if let Some(user) = linked {
            tx.changed(Changed::User(user));
        }
        tx.commit(SpecialistEvent::Deleted(id)).await?;
        Ok(())
    }
}
