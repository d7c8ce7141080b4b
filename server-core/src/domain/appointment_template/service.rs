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
    database::{Database, DatabaseError, WriteTx},
    domain::rules::{FieldFaults, InvalidValue},
    event::changed,
    identity::Caller,
    ids::{AppointmentTemplateId, OrganizationId},
};

const FIELDS: [&str; 12] = [
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
    "form_template_ids",
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
        let Some(template) = repository::appointment_template_create(&mut tx, organization, input, &slug).await? else {
            return Err(unknown(&mut tx, organization, input, None).await?.into());
        };
        tx.commit(AppointmentTemplateEvent::Created(template.id)).await?;
        Ok(template)
    }

    pub(super) async fn update(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: AppointmentTemplateId,
        input: &AppointmentTemplateInput,
    ) -> Result<AppointmentTemplate, AppointmentTemplateError> {
        let mut tx = self.database.write(caller).await?;
        let before = tx.lock::<AppointmentTemplate>(id).await?;
        let before = before.ok_or(AppointmentTemplateError::NotFound)?;
        let Some(template) = repository::appointment_template_update(&mut tx, id, input).await? else {
            return Err(unknown(&mut tx, organization, input, Some(&before)).await?.into());
        };
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

/// Returns the fault of each reference that does not exist or is archived. `kept` is the template before the change.
async fn unknown(
    tx: &mut WriteTx,
    organization: OrganizationId,
    input: &AppointmentTemplateInput,
    kept: Option<&AppointmentTemplate>,
) -> Result<InvalidValue, DatabaseError> {
    let unknown = repository::unknown_references(tx, organization, input, kept).await?;
    let mut faults = FieldFaults::default();
    if unknown.specialty {
        faults.add("/specialty_id", "unknown_reference", "is no specialty in use of this organization");
    }
    for (index, form) in input.form_template_ids.iter().enumerate() {
        if unknown.forms.contains(form) {
            let pointer = format!("/form_template_ids/{index}");
            faults.add(pointer, "unknown_reference", "is no form template in use of this organization");
        }
    }
    if let Err(invalid) = faults.check() {
        return Ok(invalid);
    }
    // It was restored between the two statements.
    let message = "named a form template that was not in use a moment ago; send the request again";
    Ok(InvalidValue::new("/form_template_ids", "unknown_reference", message))
}
