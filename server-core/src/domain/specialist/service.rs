use server_shared::http::{Page, Paging};

use super::{
    error::SpecialistError,
    model::{Specialist, SpecialistFilter, SpecialistInput, SpecialistSort},
    repository,
};
use crate::{
    audit::Audit,
    database::Database,
    domain::rules::check_timezone,
    http::{Caller, Identities, Permission},
    ids::{OrganizationId, SpecialistId},
};

const FIELDS: [&str; 6] = ["user_id", "name", "title", "specialty_ids", "timezone", "bookable"];

/// People who treat patients.
#[derive(Clone)]
pub(crate) struct Service {
    database: Database,
    identities: Identities,
}

impl Service {
    pub(crate) fn new(database: Database, identities: Identities) -> Self {
        Self { database, identities }
    }

    pub(super) async fn list(
        &self,
        caller: &Caller,
        filter: SpecialistFilter,
        sort: SpecialistSort,
        paging: Paging,
    ) -> Result<Page<Specialist>, SpecialistError> {
        let mut reader = self.database.read(caller).open().await?;
        let rows = repository::specialist_page(&mut reader, filter, sort, paging).await?;
        let total = match paging.total_of_first_page(rows.len()) {
            Some(total) => total,
            None => repository::specialist_count(&mut reader, filter).await?,
        };
        Ok(paging.page(rows, total))
    }

    pub(super) async fn get(&self, caller: &Caller, id: SpecialistId) -> Result<Specialist, SpecialistError> {
        let mut reader = self.database.read(caller).open().await?;
        repository::specialist_get(&mut reader, id).await?.ok_or(SpecialistError::NotFound)
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
        // Which specialist a user is, is part of its identity.
        self.identities.invalidate_after(&mut tx, specialist.user_id);
        tx.commit(Audit::created(&specialist)).await?;
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
        // Another's row is not found, for a specialist as for a stranger: updating is the lock.
        let linked = repository::specialist_user(&mut tx, id).await?.ok_or(SpecialistError::NotFound)?;
        // Whoever is linked to a specialist gains its rights, so that stays an admin's decision.
        if linked != input.user_id && caller.may(Permission::SpecialistWrite).is_err() {
            return Err(SpecialistError::LinkForbidden);
        }
        let specialist =
            repository::specialist_update(&mut tx, organization, id, input).await?.ok_or(SpecialistError::NotFound)?;
        if linked != specialist.user_id {
            self.identities.invalidate_after(&mut tx, linked.into_iter().chain(specialist.user_id));
        }
        tx.commit(Audit::updated(&specialist, FIELDS.to_vec())).await?;
        Ok(specialist)
    }

    pub(super) async fn delete(&self, caller: &Caller, id: SpecialistId) -> Result<(), SpecialistError> {
        let mut tx = self.database.write(caller).await?;
        let linked = repository::specialist_delete(&mut tx, id).await?.ok_or(SpecialistError::NotFound)?;
        self.identities.invalidate_after(&mut tx, linked);
        tx.commit(Audit::deleted(&id)).await?;
        Ok(())
    }
}
