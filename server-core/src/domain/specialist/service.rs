use server_shared::http::{Page, Paging};

use super::{
    error::SpecialistError,
    event::SpecialistEvent,
    model::{Specialist, SpecialistFilter, SpecialistInput, SpecialistSort},
    repository,
};
use crate::{
    database::Database,
    domain::{link::Links, rules::check_timezone},
    event::changed,
    identity::{Caller, Changed},
    ids::{OrganizationId, SpecialistId},
};

const FIELDS: [&str; 5] = ["name", "title", "specialty_ids", "timezone", "bookable"];

/// Service for the specialists of a clinic.
#[derive(Clone)]
pub(crate) struct Service {
    database: Database,
    /// Links between specialists and the users who sign in as them.
    pub(crate) links: Links<SpecialistId>,
}

impl Service {
    pub(crate) fn new(database: Database) -> Self {
        Self { links: Links::new(database.clone()), database }
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
