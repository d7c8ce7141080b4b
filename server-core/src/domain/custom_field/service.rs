use server_shared::http::{Page, Paging};

use super::{
    error::CustomFieldError,
    event::CustomFieldEvent,
    model::{CreateCustomField, CustomField, CustomFieldInput, CustomFieldVersion, FieldEntity, UpdateCustomField},
    repository::{self, Written},
};
use crate::{
    database::{Database, Lock},
    domain::rules::{FieldFaults, StaleVersion},
    event::changed,
    identity::Caller,
    ids::{CustomFieldId, OrganizationId},
};

const FIELDS: [&str; 3] = ["definition", "readable_by", "writable_by"];

/// Service for the custom fields of a clinic.
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
        entity: Option<FieldEntity>,
        archived: bool,
        paging: Paging,
    ) -> Result<Page<CustomField>, CustomFieldError> {
        let mut reader = self.database.read(caller).open().await?;
        Ok(repository::custom_field_page(&mut reader, entity, archived, paging).await?)
    }

    pub(super) async fn get(&self, caller: &Caller, id: CustomFieldId) -> Result<CustomField, CustomFieldError> {
        let mut reader = self.database.read(caller).open().await?;
        reader.get(id).await?.ok_or(CustomFieldError::NotFound)
    }

    pub(super) async fn versions(
        &self,
        caller: &Caller,
        id: CustomFieldId,
        paging: Paging,
    ) -> Result<Page<CustomFieldVersion>, CustomFieldError> {
        let mut reader = self.database.read(caller).open().await?;
        let page = repository::custom_field_version_page(&mut reader, id, paging).await?;
        // A field has a version from its first moment on.
        if page.meta.total == 0 { Err(CustomFieldError::NotFound) } else { Ok(page) }
    }

    pub(super) async fn create(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        input: CreateCustomField,
    ) -> Result<CustomField, CustomFieldError> {
        let mut faults = FieldFaults::default();
        input.field.check(&mut faults);
        faults.check()?;
        let mut tx = self.database.write_locked(caller, vec![Lock::Fields(organization)]).await?;
        let written = repository::custom_field_create(&mut tx, organization, &input).await?;
        let Written { id, version, created_at, updated_at } = written.ok_or(CustomFieldError::TooMany)?;
        let CreateCustomField { entity, key, field } = input;
        let (readable_by, writable_by, definition) = (field.readers(), field.writers(), field.definition);
        tx.commit(CustomFieldEvent::Created(id)).await?;
        let archived_at = None;
        Ok(CustomField {
            id,
            entity,
            key,
            version,
            definition,
            readable_by,
            writable_by,
            archived_at,
            created_at,
            updated_at,
        })
    }

    pub(super) async fn update(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: CustomFieldId,
        change: UpdateCustomField,
    ) -> Result<CustomField, CustomFieldError> {
        let UpdateCustomField { version, field } = change;
        let mut tx = self.database.write_locked(caller, vec![Lock::Fields(organization)]).await?;
        let before = tx.lock::<CustomField>(id).await?.ok_or(CustomFieldError::NotFound)?;
        StaleVersion::check(version.into(), before.version.into())?;
        if before.archived_at.is_some() {
            return Err(CustomFieldError::Archived);
        }
        let mut faults = FieldFaults::default();
        field.check(&mut faults);
        let had = repository::options_had(&mut tx, organization, id).await?;
        field.definition.check_options_kept(had.iter().map(String::as_str), "/definition", &mut faults);
        faults.check()?;
        if before.definition.phi != field.definition.phi && repository::is_valued(&mut tx, organization, id).await? {
            return Err(CustomFieldError::PhiInUse);
        }
        let after = replaced(&before, field.clone());
        let changed = changed(&before, &after, &FIELDS);
        let after = if changed.is_empty() {
            before
        } else {
            let written = repository::custom_field_update(&mut tx, organization, id, &field).await?;
            CustomField { version: written.version, updated_at: written.updated_at, ..after }
        };
        tx.commit(CustomFieldEvent::Updated(id, changed)).await?;
        Ok(after)
    }

    pub(super) async fn restore(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: CustomFieldId,
    ) -> Result<CustomField, CustomFieldError> {
        let mut tx = self.database.write_locked(caller, vec![Lock::Fields(organization)]).await?;
        let mut field = tx.lock::<CustomField>(id).await?.ok_or(CustomFieldError::NotFound)?;
        if field.archived_at.take().is_some() {
            let restored = repository::custom_field_restore(&mut tx, organization, id).await?;
            field.updated_at = restored.ok_or(CustomFieldError::TooMany)?;
        }
        tx.commit(CustomFieldEvent::Restored(id)).await?;
        Ok(field)
    }

    pub(super) async fn delete(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: CustomFieldId,
    ) -> Result<(), CustomFieldError> {
        let mut tx = self.database.write_locked(caller, vec![Lock::Fields(organization)]).await?;
        if !tx.delete_or_archive::<CustomField>(id.0).await? {
            return Err(CustomFieldError::NotFound);
        }
        let event = match tx.get::<CustomField>(id).await? {
            Some(_) => CustomFieldEvent::Archived(id),
            None => CustomFieldEvent::Deleted(id),
        };
        tx.commit(event).await?;
        Ok(())
    }
}

/// Returns the field with other properties.
fn replaced(field: &CustomField, properties: CustomFieldInput) -> CustomField {
    let (readable_by, writable_by) = (properties.readers(), properties.writers());
    CustomField { definition: properties.definition, readable_by, writable_by, ..field.clone() }
}
