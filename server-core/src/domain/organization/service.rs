use server_shared::{
    http::{Page, Paging},
    slug::slugify,
};

use super::{
    error::OrganizationError,
    event::OrganizationEvent,
    model::{CreateOrganization, Organization, UpdateOrganization},
    repository,
};
use crate::{
    database::Database,
    domain::rules::{check_country, check_timezone},
    encryption::OrganizationKeys,
    event::changed,
    identity::{Changed, Person},
    ids::OrganizationId,
};

/// Service for organizations.
#[derive(Clone)]
pub(crate) struct Service {
    database: Database,
    keys: OrganizationKeys,
}

impl Service {
    pub(crate) fn new(database: Database, keys: OrganizationKeys) -> Self {
        Self { database, keys }
    }

    pub(super) async fn list(&self, caller: &Person, paging: Paging) -> Result<Page<Organization>, OrganizationError> {
        let mut reader = self.database.read(&caller.above_organizations()).open().await?;
        Ok(repository::organization_page(&mut reader, paging).await?)
    }

    pub(super) async fn find(&self, caller: &Person, slug: &str) -> Result<Organization, OrganizationError> {
        let mut reader = self.database.read(&caller.above_organizations()).open().await?;
        repository::organization_find(&mut reader, slug).await?.ok_or(OrganizationError::NotFound)
    }

    pub(super) async fn get(&self, caller: &Person, id: OrganizationId) -> Result<Organization, OrganizationError> {
        let mut reader = self.database.read(caller).open().await?;
        reader.get(id).await?.ok_or(OrganizationError::NotFound)
    }

    pub(super) async fn create(
        &self,
        caller: &Person,
        input: &CreateOrganization,
    ) -> Result<Organization, OrganizationError> {
        check_timezone("/timezone", &input.timezone)?;
        check_country("/country", input.country.as_deref())?;
        let slug = input.slug.clone().unwrap_or_else(|| slugify(input.name.as_str(), "organization"));
        let mut tx = self.database.write(&caller.above_organizations()).await?;
        let organization = repository::organization_create(&mut tx, input, &slug).await?;
        self.keys.create(&mut tx, organization.id).await?;
        tx.commit(OrganizationEvent::Created(organization.id)).await?;
        Ok(organization)
    }

    pub(super) async fn update(
        &self,
        caller: &Person,
        id: OrganizationId,
        input: &UpdateOrganization,
    ) -> Result<Organization, OrganizationError> {
        check_timezone("/timezone", &input.timezone)?;
        check_country("/country", input.country.as_deref())?;
        let mut tx = self.database.write(caller).await?;
        let before = tx.lock::<Organization>(id).await?.ok_or(OrganizationError::NotFound)?;
        let organization =
            repository::organization_update(&mut tx, id, input).await?.ok_or(OrganizationError::NotFound)?;
        // Remembered members carry the name of their organization.
        tx.changed(Changed::Users);
        let changed = changed(&before, &organization, &["name", "timezone", "country"]);
        tx.commit(OrganizationEvent::Updated(organization.id, changed)).await?;
        Ok(organization)
    }
}
