use server_shared::{
    http::{Page, Paging},
    slug::slugify,
};

use super::{
    error::AppointmentTemplateError,
    event::AppointmentTemplateEvent,
    model::{AppointmentTemplate, AppointmentTemplateInput, AppointmentTemplateSort},
    repository,
};
use crate::{
    database::Database,
    domain::rules::InvalidValue,
    event::changed,
    identity::Caller,
    ids::{AppointmentTemplateId, OrganizationId},
};

const FIELDS: [&str; 11] = [
    "name",
    "slug",
    "description",
    "duration_minutes",
    "buffer_before_minutes",
    "buffer_after_minutes",
    "minimum_notice_minutes",
    "specialty_id",
    "modality",
    "cancellation_cutoff_minutes",
    "reschedule_cutoff_minutes",
];

/// Service for the appointment templates of a clinic.
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
        sort: AppointmentTemplateSort,
        paging: Paging,
    ) -> Result<Page<AppointmentTemplate>, AppointmentTemplateError> {
        let mut reader = self.database.read(caller).open().await?;
        Ok(repository::appointment_template_page(&mut reader, archived, sort, paging).await?)
    }

    pub(super) async fn get(
        &self,
        caller: &Caller,
        id: AppointmentTemplateId,
    ) -> Result<AppointmentTemplate, AppointmentTemplateError> {
        let mut reader = self.database.read(caller).open().await?;
        reader.get(id).await?.ok_or(AppointmentTemplateError::NotFound)
    }

    pub(super) async fn find(
        &self,
        caller: &Caller,
        slug: &str,
    ) -> Result<AppointmentTemplate, AppointmentTemplateError> {
        let mut reader = self.database.read(caller).open().await?;
        repository::appointment_template_find(&mut reader, slug).await?.ok_or(AppointmentTemplateError::NotFound)
    }

    pub(super) async fn create(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        input: &AppointmentTemplateInput,
    ) -> Result<AppointmentTemplate, AppointmentTemplateError> {
        let slug = input.slug.clone().unwrap_or_else(|| slugify(input.name.as_str(), "appointment"));
        let mut tx = self.database.write(caller).await?;
        let template = repository::appointment_template_create(&mut tx, organization, input, &slug)
            .await?
            .ok_or_else(unknown_specialty)?;
        tx.commit(AppointmentTemplateEvent::Created(template.id)).await?;
        Ok(template)
    }

    pub(super) async fn update(
        &self,
        caller: &Caller,
        id: AppointmentTemplateId,
        input: &AppointmentTemplateInput,
    ) -> Result<AppointmentTemplate, AppointmentTemplateError> {
        let mut tx = self.database.write(caller).await?;
        let before = tx.lock::<AppointmentTemplate>(id).await?;
        let before = before.ok_or(AppointmentTemplateError::NotFound)?;
        let template =
            repository::appointment_template_update(&mut tx, id, input).await?.ok_or_else(unknown_specialty)?;
        let changed = changed(&before, &template, &FIELDS);
        tx.commit(AppointmentTemplateEvent::Updated(template.id, changed)).await?;
        Ok(template)
    }

    pub(super) async fn delete(
        &self,
        caller: &Caller,
        id: AppointmentTemplateId,
    ) -> Result<(), AppointmentTemplateError> {
        let mut tx = self.database.write(caller).await?;
        if !tx.delete_or_archive::<AppointmentTemplate>(id.0).await? {
            return Err(AppointmentTemplateError::NotFound);
        }
        tx.commit(AppointmentTemplateEvent::Deleted(id)).await?;
        Ok(())
    }
}

fn unknown_specialty() -> InvalidValue {
    InvalidValue::new("/specialty_id", "unknown_reference", "is no specialty in use of this organization")
}
