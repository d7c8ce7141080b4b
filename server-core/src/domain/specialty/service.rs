use server_shared::http::{Page, Paging};

use super::{
    error::SpecialtyError,
    event::SpecialtyEvent,
    model::{Specialty, SpecialtyInput, SpecialtySort},
    repository,
};
use crate::{
    database::Database,
    event::changed,
    identity::Caller,
    ids::{OrganizationId, SpecialtyId},
};

/// Service for the specialties of a clinic.
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
        archived: bool,
        sort: SpecialtySort,
        paging: Paging,
    ) -> Result<Page<Specialty>, SpecialtyError> {
        let mut reader = self.database.read(caller).open().await?;
        Ok(repository::specialty_page(&mut reader, archived, sort, paging).await?)
    }

    pub(super) async fn get(&self, caller: &Caller, id: SpecialtyId) -> Result<Specialty, SpecialtyError> {
        let mut reader = self.database.read(caller).open().await?;
        reader.get(id).await?.ok_or(SpecialtyError::NotFound)
    }

    pub(super) async fn create(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        input: &SpecialtyInput,
    ) -> Result<Specialty, SpecialtyError> {
        let mut tx = self.database.write(caller).await?;
        let specialty = repository::specialty_create(&mut tx, organization, input).await?;
        tx.commit(SpecialtyEvent::Created(specialty.id)).await?;
        Ok(specialty)
    }

    pub(super) async fn update(
        &self,
        caller: &Caller,
        id: SpecialtyId,
        input: &SpecialtyInput,
    ) -> Result<Specialty, SpecialtyError> {
        let mut tx = self.database.write(caller).await?;
        let before = tx.lock::<Specialty>(id).await?.ok_or(SpecialtyError::NotFound)?;
        let specialty = repository::specialty_update(&mut tx, id, input).await?.ok_or(SpecialtyError::NotFound)?;
        let changed = changed(&before, &specialty, &["name", "description"]);
        tx.commit(SpecialtyEvent::Updated(specialty.id, changed)).await?;
        Ok(specialty)
    }

    pub(super) async fn delete(&self, caller: &Caller, id: SpecialtyId) -> Result<(), SpecialtyError> {
        let mut tx = self.database.write(caller).await?;
        if !tx.delete_or_archive::<Specialty>(id.0).await? {
            return Err(SpecialtyError::NotFound);
        }
        tx.commit(SpecialtyEvent::Deleted(id)).await?;
        Ok(())
    }
}
