use std::collections::BTreeSet;

use poem_openapi::types::ToJSON as _;
use serde_json::Value;
use server_shared::{
    error::{FAULTS_LISTED, FieldFault},
    http::{Page, Paging},
    slug::slugify,
    value::Key,
};

use super::{
    content::Content,
    error::FormTemplateError,
    event::{FormScore, FormScoreEvent, FormTemplateEvent},
    library::{PresentFields, Referred},
    model::{
        FormContent, FormFault, FormTemplate, FormTemplateInput, FormTemplatePublication, FormTemplateSort,
        FormTemplateSummary, FormTemplateVersion, FormTemplateVersionSummary, OpenForms, PublishFormTemplate,
        UpdateFormTemplate,
    },
    preview::{FormPreview, PreviewForm},
    repository::{self, FormTemplateRow, NewDraft, NewVersion},
    stored::AsStored,
};
use crate::{
    database::{Database, DatabaseError, Lock, WriteTx},
    domain::{
        custom_field::fields_referred,
        form_definition::{Compiled, FormDefinition, changes, content_hash},
        rules::{FieldFaults, InvalidValue, StaleVersion},
    },
    event::Events,
    identity::Caller,
    ids::{FormTemplateId, OrganizationId},
};

/// Service for the form templates of a clinic.
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
        sort: FormTemplateSort,
        paging: Paging,
    ) -> Result<Page<FormTemplateSummary>, FormTemplateError> {
        let mut reader = self.database.read(caller).open().await?;
        Ok(repository::form_template_page(&mut reader, archived, sort, paging).await?)
    }

    pub(super) async fn get(&self, caller: &Caller, id: FormTemplateId) -> Result<FormTemplate, FormTemplateError> {
        let mut reader = self.database.read(caller).open().await?;
        let row: FormTemplateRow = reader.get(id).await?.ok_or(FormTemplateError::NotFound)?;
        Ok(row.into())
    }

    pub(super) async fn create(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        input: &FormTemplateInput,
    ) -> Result<FormTemplate, FormTemplateError> {
        let slug = input.slug.clone().unwrap_or_else(|| slugify(input.name.as_str(), "form"));
        let mut tx = self.database.write_locked(caller, vec![Lock::FieldsRead(organization)]).await?;
        let draft = checked(&mut tx, organization, &input.definition).await?;
        let row = repository::form_template_create(&mut tx, organization, input, &slug, &draft).await?;
        tx.commit(FormTemplateEvent::Created(row.id)).await?;
        Ok(row.into())
    }

    pub(super) async fn update(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: FormTemplateId,
        input: &UpdateFormTemplate,
    ) -> Result<FormTemplate, FormTemplateError> {
        let mut tx = self.database.write_locked(caller, vec![Lock::FieldsRead(organization)]).await?;
        let before: FormTemplateRow = tx.lock(id).await?.ok_or(FormTemplateError::NotFound)?;
        StaleVersion::check(input.version, before.version)?;
        let draft = checked(&mut tx, organization, &input.template.definition).await?;
        let row = repository::form_template_update(&mut tx, id, &input.template, &draft)
            .await?
            .ok_or(FormTemplateError::NotFound)?;
        tx.commit(FormTemplateEvent::Updated(id, before.changed(&row))).await?;
        Ok(row.into())
    }

    pub(super) async fn delete(&self, caller: &Caller, id: FormTemplateId) -> Result<(), FormTemplateError> {
        let mut tx = self.database.write(caller).await?;
        if !tx.delete_or_archive::<FormTemplateSummary>(id.0).await? {
            return Err(FormTemplateError::NotFound);
        }
        tx.commit(FormTemplateEvent::Deleted(id)).await?;
        Ok(())
    }

    pub(super) async fn publish(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: FormTemplateId,
        input: &PublishFormTemplate,
    ) -> Result<FormTemplatePublication, FormTemplateError> {
        // No draft is written or published meanwhile, and no custom field changes.
        let mut tx = self.database.write_locked(caller, vec![Lock::Fields(organization)]).await?;
        let row = repository::form_template_publication_lock(&mut tx, id).await?.ok_or(FormTemplateError::NotFound)?;
        StaleVersion::check(input.version, row.version)?;
        if row.archived_at.is_some() {
            return Err(FormTemplateError::Archived);
        }
        let last = row.published_version.zip(row.content.map(AsStored::<FormContent>::new));
        let definition = AsStored::<FormDefinition>::new(row.definition).read()?;
        // The custom fields may have been archived, and the sources of first answers may have changed, since the draft
        // was saved.
        let fields = present_fields(&mut tx, organization, &definition).await?;
        let compiled =
            Compiled::build(&definition, &fields).map_err(|faults| FormTemplateError::faulty(&of_draft(&faults)))?;
        let phi_cleared = cleared(&compiled, &input.clear_phi)?;

        let content = Content { definition, fields: fields.pinned().collect(), phi_cleared };
        let json = content.json();
        if let Some((version, last)) = &last
            && *last.json() == json
        {
            return Err(FormTemplateError::NothingToPublish { version: *version });
        }
        let changes = match &last {
            Some((_, last)) => changes(&Content::read(last)?.definition, &content.definition),
            None => Vec::new(),
        };
        let version = last.map_or(0, |(version, _)| version) + 1;
        let content_hash = content_hash(&json);
        let (field_ids, field_versions) =
            content.fields.iter().map(|field| (field.custom_field_id.0, field.version)).unzip();
        let new = NewVersion { version, content: json, content_hash, field_ids, field_versions };
        let published = repository::form_template_publish(&mut tx, id, &new).await?;
        let cleared = content.phi_cleared.iter().map(|key| FormScore { template: id, key: key.as_str().to_owned() });
        let events = Events::from(FormTemplateEvent::Published(id)).and(cleared.map(FormScoreEvent::PhiCleared));
        tx.commit(events).await?;
        Ok(FormTemplatePublication {
            form_template_id: id,
            version,
            content_hash: hex::encode(content_hash),
            published_at: published.published_at,
            changes,
            open_forms: OpenForms { total: published.open_total, ids: published.open_ids },
        })
    }

    pub(super) async fn versions(
        &self,
        caller: &Caller,
        id: FormTemplateId,
        paging: Paging,
    ) -> Result<Page<FormTemplateVersionSummary>, FormTemplateError> {
        let mut reader = self.database.read(caller).open().await?;
        let page = repository::form_template_version_page(&mut reader, id, paging).await?;
        if page.meta.total == 0 {
            reader.get::<FormTemplateSummary>(id).await?.ok_or(FormTemplateError::NotFound)?;
        }
        Ok(page)
    }

    pub(super) async fn version(
        &self,
        caller: &Caller,
        id: FormTemplateId,
        version: i64,
    ) -> Result<FormTemplateVersion, FormTemplateError> {
        let mut reader = self.database.read(caller).open().await?;
        let version = repository::form_template_version_get(&mut reader, id, version).await?;
        version.ok_or(FormTemplateError::VersionNotFound)
    }

    pub(super) async fn preview(
        &self,
        caller: &Caller,
        id: FormTemplateId,
        input: &PreviewForm,
    ) -> Result<FormPreview, FormTemplateError> {
        let mut reader = self.database.read(caller).open().await?;
        let content = match input.version {
            None => {
                let row: FormTemplateRow = reader.get(id).await?.ok_or(FormTemplateError::NotFound)?;
                Content::of_draft(row)?
            }
            Some(number) => {
                let version = repository::form_template_version_get(&mut reader, id, number.into()).await?;
                let Some(version) = version else {
                    reader.get::<FormTemplateSummary>(id).await?.ok_or(FormTemplateError::NotFound)?;
                    let message = "is no published version of this form template";
                    return Err(InvalidValue::new("/version", "unknown_reference", message).into());
                };
                Content::read(&version.content)?
            }
        };
        Ok(FormPreview::of(&content, input)?)
    }
}

/// Checks a draft and makes what is stored of it.
async fn checked(
    tx: &mut WriteTx,
    organization: OrganizationId,
    definition: &FormDefinition,
) -> Result<NewDraft, DatabaseError> {
    let fields = present_fields(tx, organization, definition).await?;
    let faults = match Compiled::build(definition, &fields) {
        Ok(_) => Vec::new(),
        Err(faults) => of_draft(&faults),
    };
    let faults: Vec<FormFault> = faults.iter().take(FAULTS_LISTED).map(FormFault::from).collect();
    let (mut stored, mut field_ids, mut field_versions) = (Vec::new(), Vec::new(), Vec::new());
    for field in fields.pinned() {
        field_ids.push(field.custom_field_id.0);
        field_versions.push(field.version);
        stored.extend(field.to_json());
    }
    let definition = definition.to_json().unwrap_or_default();
    Ok(NewDraft {
        definition_hash: content_hash(&definition),
        definition,
        fields: Value::Array(stored),
        faults: faults.to_json().unwrap_or_default(),
        field_ids,
        field_versions,
    })
}

/// Reads the custom fields that a definition refers to, if it refers to any.
async fn present_fields(
    tx: &mut WriteTx,
    organization: OrganizationId,
    definition: &FormDefinition,
) -> Result<PresentFields, DatabaseError> {
    let referred = Referred::by(definition);
    if referred.is_empty() {
        return Ok(PresentFields::default());
    }
    let versions: Vec<_> = referred.pinned.iter().map(|field| (field.id, field.version)).collect();
    let keys: Vec<_> = referred.prefilling.iter().collect();
    Ok(PresentFields::new(fields_referred(tx, organization, &versions, &keys).await?))
}

/// Returns the scores that are published without protection, in alphabetical order.
fn cleared(compiled: &Compiled, keys: &[Key]) -> Result<Vec<Key>, InvalidValue> {
    let scores = compiled.scores(&[]);
    let mut faults = FieldFaults::default();
    for (index, key) in keys.iter().enumerate() {
        let pointer = format!("/clear_phi/{index}");
        match scores.iter().find(|(score, _)| *score == key) {
            None => faults.add(pointer, "unknown_reference", "is the key of no score of the draft"),
            Some((_, false)) => {
                faults.add(pointer, "not_applicable", "is a score that is not protected, so it needs no clearing");
            }
            Some((_, true)) => {}
        }
    }
    faults.check()?;
    Ok(keys.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect())
}

/// Returns the faults of a definition, with pointers into the template or a body that writes it.
fn of_draft(faults: &FieldFaults) -> Vec<FieldFault> {
    let faults = faults.list().iter();
    faults
        .map(|fault| {
            FieldFault::new(format!("/definition{}", fault.pointer), fault.rule.clone(), fault.message.clone())
        })
        .collect()
}
