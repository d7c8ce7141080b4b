use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use server_shared::{
    ApiError,
    http::{
        Body, Created, NoContent, Page, Paging,
        page::{PageNumber, PageSize},
    },
};

use super::{
    Service,
    model::{CreateCustomField, CustomField, CustomFieldVersion, FieldEntity, UpdateCustomField},
};
use crate::{
    domain::Tag,
    identity::{Caller, Permission},
    ids::CustomFieldId,
};

/// Operations below `/v1/custom-fields`.
pub(crate) struct Api {
    pub(crate) custom_fields: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::CustomFields")]
impl Api {
    /// List custom fields
    ///
    /// Returns the fields in use, or with `archived=true` the archived ones, whose values can no longer be written,
    /// sorted by entity and key.
    #[oai(path = "/custom-fields", method = "get", operation_id = "custom_field_list")]
    async fn custom_field_list(
        &self,
        caller: Caller,
        /// Number of the page, from 1; 1 if left out.
        page: Query<Option<PageNumber>>,
        /// Maximum number of entries on a page, at most 100; 25 if left out.
        page_size: Query<Option<PageSize>>,
        /// Kind of record whose fields are listed; all kinds if left out.
        entity: Query<Option<FieldEntity>>,
        /// `true` to list archived fields instead of those in use.
        archived: Query<Option<bool>>,
    ) -> Result<Json<Page<CustomField>>, ApiError> {
        caller.may(Permission::CustomFieldRead)?;
        let paging = Paging::new(page.0, page_size.0);
        Ok(Json(self.custom_fields.list(&caller, entity.0, archived.0.unwrap_or(false), paging).await?))
    }

    /// Create a custom field
    ///
    /// Answers 409 `custom_field_key_taken` if the entity has a field with the key, archived ones included, and 409
    /// `too_many_custom_fields` if it has 200 fields in use or 500 in all. The answer 422 lists all faults of the
    /// definition.
    #[oai(path = "/custom-fields", method = "post", operation_id = "custom_field_create")]
    async fn custom_field_create(
        &self,
        caller: Caller,
        body: Body<CreateCustomField>,
    ) -> Result<Created<CustomField>, ApiError> {
        caller.may(Permission::CustomFieldWrite)?;
        Ok(Created(self.custom_fields.create(&caller, caller.organization()?, body.0).await?))
    }

    /// Get a custom field
    ///
    /// Returns archived fields, too: profiles keep their values.
    #[oai(path = "/custom-fields/:custom_field_id", method = "get", operation_id = "custom_field_get")]
    async fn custom_field_get(
        &self,
        caller: Caller,
        /// Id of the field.
        custom_field_id: Path<CustomFieldId>,
    ) -> Result<Json<CustomField>, ApiError> {
        caller.may(Permission::CustomFieldRead)?;
        Ok(Json(self.custom_fields.get(&caller, custom_field_id.0).await?))
    }

    /// List the versions of a custom field
    ///
    /// Returns the newest version first. Versions never change; a value in a profile names the one that it was given
    /// under.
    #[oai(
        path = "/custom-fields/:custom_field_id/versions",
        method = "get",
        operation_id = "custom_field_version_list"
    )]
    async fn custom_field_version_list(
        &self,
        caller: Caller,
        /// Id of the field.
        custom_field_id: Path<CustomFieldId>,
        /// Number of the page, from 1; 1 if left out.
        page: Query<Option<PageNumber>>,
        /// Maximum number of entries on a page, at most 100; 25 if left out.
        page_size: Query<Option<PageSize>>,
    ) -> Result<Json<Page<CustomFieldVersion>>, ApiError> {
        caller.may(Permission::CustomFieldRead)?;
        let paging = Paging::new(page.0, page_size.0);
        Ok(Json(self.custom_fields.versions(&caller, custom_field_id.0, paging).await?))
    }

    /// Replace the properties of a custom field
    ///
    /// Creates the next version, unless nothing changes; stored values keep theirs. Another type is possible. An option
    /// that the field has ever had can be relabelled or retired, but not left out. Answers 409 `stale_version` if
    /// somebody else changed the field in the meantime, 409 `custom_field_archived` for an archived field, and 409
    /// `custom_field_phi_in_use` if `phi` would change while values are stored.
    #[oai(path = "/custom-fields/:custom_field_id", method = "put", operation_id = "custom_field_update")]
    async fn custom_field_update(
        &self,
        caller: Caller,
        /// Id of the field.
        custom_field_id: Path<CustomFieldId>,
        body: Body<UpdateCustomField>,
    ) -> Result<Json<CustomField>, ApiError> {
        caller.may(Permission::CustomFieldWrite)?;
        let organization = caller.organization()?;
        Ok(Json(self.custom_fields.update(&caller, organization, custom_field_id.0, body.0).await?))
    }

    /// Delete or archive a custom field
    ///
    /// Archives a field that profiles, form templates or segments refer to: its values stay, and can no longer be
    /// written. Deletes any other, together with its versions. Archiving again changes nothing.
    #[oai(path = "/custom-fields/:custom_field_id", method = "delete", operation_id = "custom_field_delete")]
    async fn custom_field_delete(
        &self,
        caller: Caller,
        /// Id of the field.
        custom_field_id: Path<CustomFieldId>,
    ) -> Result<NoContent, ApiError> {
        caller.may(Permission::CustomFieldWrite)?;
        self.custom_fields.delete(&caller, caller.organization()?, custom_field_id.0).await?;
        Ok(NoContent)
    }

    /// Take an archived custom field into use again
    ///
    /// Changes nothing if the field is in use. Answers 409 `too_many_custom_fields` if the entity has 200 fields in
    /// use.
    #[oai(path = "/custom-fields/:custom_field_id/restore", method = "post", operation_id = "custom_field_restore")]
    async fn custom_field_restore(
        &self,
        caller: Caller,
        /// Id of the field.
        custom_field_id: Path<CustomFieldId>,
    ) -> Result<Json<CustomField>, ApiError> {
        caller.may(Permission::CustomFieldWrite)?;
        Ok(Json(self.custom_fields.restore(&caller, caller.organization()?, custom_field_id.0).await?))
    }
}
