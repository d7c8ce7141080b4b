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

/// Specialties of a clinic.
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
        let rows = repository::specialty_page(&mut reader, archived, sort, paging).await?;
        let total = match paging.total_of_first_page(rows.len()) {
            Some(total) => total,
            None => repository::specialty_count(&mut reader, archived).await?,
        };
        Ok(paging.page(rows, total))
    }

    pub(super) async fn get(&self, caller: &Caller, id: SpecialtyId) -> Result<Specialty, SpecialtyError> {
        let mut reader = self.database.read(caller).open().await?;
        repository::specialty_get(&mut reader, id).await?.ok_or(SpecialtyError::NotFound)
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
        let before = repository::specialty_lock(&mut tx, id).await?.ok_or(SpecialtyError::NotFound)?;
        let specialty = repository::specialty_update(&mut tx, id, input).await?.ok_or(SpecialtyError::NotFound)?;
        let changed = changed(&before, &specialty, &["name", "description"]);
        tx.commit(SpecialtyEvent::Updated(specialty.id, changed)).await?;
        Ok(specialty)
    }

    pub(super) async fn delete(&self, caller: &Caller, id: SpecialtyId) -> Result<(), SpecialtyError> {
        let mut tx = self.database.write(caller).await?;
        let specialty = repository::specialty_delete(&mut tx, id).await?.ok_or(SpecialtyError::NotFound)?;
        tx.commit(SpecialtyEvent::Deleted(specialty.id)).await?;
        Ok(())
    }
}
