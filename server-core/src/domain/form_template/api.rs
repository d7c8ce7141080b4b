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
    model::{
        FormTemplate, FormTemplateInput, FormTemplatePublication, FormTemplateSort, FormTemplateSummary,
        FormTemplateVersion, FormTemplateVersionSummary, PublishFormTemplate, UpdateFormTemplate,
    },
    preview::{FormPreview, PreviewForm},
};
use crate::{
    domain::Tag,
    identity::{Caller, Permission},
    ids::FormTemplateId,
};

/// Operations below `/v1/form-templates`.
pub(crate) struct Api {
    pub(crate) templates: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::FormTemplates")]
impl Api {
    /// List form templates
    ///
    /// Returns the templates in use, or with `archived=true` the archived ones, of which no form is created any more,
    /// sorted by name in the order of the Unicode collation. Leaves out the drafts.
    #[oai(path = "/form-templates", method = "get", operation_id = "form_template_list")]
    async fn form_template_list(
        &self,
        caller: Caller,
        /// Number of the page, from 1; 1 if left out.
        page: Query<Option<PageNumber>>,
        /// Maximum number of entries on a page, at most 100; 25 if left out.
        page_size: Query<Option<PageSize>>,
        /// `true` to list archived templates instead of those in use.
        archived: Query<Option<bool>>,
        /// Order of the list.
        sort: Query<Option<FormTemplateSort>>,
    ) -> Result<Json<Page<FormTemplateSummary>>, ApiError> {
        caller.may(Permission::FormTemplateRead)?;
        let paging = Paging::new(page.0, page_size.0);
        Ok(Json(self.templates.list(&caller, archived.0.unwrap_or(false), sort.0.unwrap_or_default(), paging).await?))
    }

    /// Create a form template
    ///
    /// Creates a template with a draft and no published version, so that it can't be used yet. The draft may have
    /// faults, which `faults` lists. Answers 409 `form_template_name_taken` or `slug_taken` if another template in use
    /// has the name or the slug.
    #[oai(path = "/form-templates", method = "post", operation_id = "form_template_create")]
    async fn form_template_create(
        &self,
        caller: Caller,
        body: Body<FormTemplateInput>,
    ) -> Result<Created<FormTemplate>, ApiError> {
        caller.may(Permission::FormTemplateWrite)?;
        Ok(Created(self.templates.create(&caller, caller.organization()?, &body).await?))
    }

    /// Get a form template
    ///
    /// Returns the template with its draft, also if it is archived.
    #[oai(path = "/form-templates/:form_template_id", method = "get", operation_id = "form_template_get")]
    async fn form_template_get(
        &self,
        caller: Caller,
        /// Id of the form template.
        form_template_id: Path<FormTemplateId>,
    ) -> Result<Json<FormTemplate>, ApiError> {
        caller.may(Permission::FormTemplateRead)?;
        Ok(Json(self.templates.get(&caller, form_template_id.0).await?))
    }

    /// Replace a form template
    ///
    /// Replaces the template and its draft; published versions, and the forms that were created from them, stay as
    /// they are. The draft may have faults, which `faults` lists. Answers 409 `stale_version` if somebody else has
    /// changed the template in the meantime, and 409 `form_template_name_taken` or `slug_taken` like
    /// `form_template_create`.
    #[oai(path = "/form-templates/:form_template_id", method = "put", operation_id = "form_template_update")]
    async fn form_template_update(
        &self,
        caller: Caller,
        /// Id of the form template.
        form_template_id: Path<FormTemplateId>,
        body: Body<UpdateFormTemplate>,
    ) -> Result<Json<FormTemplate>, ApiError> {
        caller.may(Permission::FormTemplateWrite)?;
        Ok(Json(self.templates.update(&caller, caller.organization()?, form_template_id.0, &body).await?))
    }

    /// Delete or archive a form template
    ///
    /// Archives a template that has a published version, or that an appointment template lists: no form is created from
    /// it any more, and forms that exist are finished. Deletes any other. Archiving again changes nothing.
    #[oai(path = "/form-templates/:form_template_id", method = "delete", operation_id = "form_template_delete")]
    async fn form_template_delete(
        &self,
        caller: Caller,
        /// Id of the form template.
        form_template_id: Path<FormTemplateId>,
    ) -> Result<NoContent, ApiError> {
        caller.may(Permission::FormTemplateWrite)?;
        self.templates.delete(&caller, form_template_id.0).await?;
        Ok(NoContent)
    }

    /// Publish a form template
    ///
    /// Makes the draft the next version, which nobody can change or delete, and returns its differences from the
    /// version before. New forms are created from it; those that exist keep their version, and `open_forms` lists those
    /// that `form_migrate` can move to the new one.
    ///
    /// Answers 422 with every fault of the draft at once, each with a JSON pointer into the template, e.g.
    /// `/definition/sections/0/items/2/visible_if`; a cycle of conditions is named by its keys. Answers 409
    /// `nothing_to_publish` if the last version has the same content, 409 `stale_version` if somebody else has changed
    /// the template in the meantime, and 409 `form_template_archived` if it is archived.
    #[oai(path = "/form-templates/:form_template_id/publish", method = "post", operation_id = "form_template_publish")]
    async fn form_template_publish(
        &self,
        caller: Caller,
        /// Id of the form template.
        form_template_id: Path<FormTemplateId>,
        body: Body<PublishFormTemplate>,
    ) -> Result<Created<FormTemplatePublication>, ApiError> {
        caller.may(Permission::FormTemplateWrite)?;
        Ok(Created(self.templates.publish(&caller, caller.organization()?, form_template_id.0, &body).await?))
    }

    /// List the versions of a form template
    ///
    /// Returns the published versions without their contents, the last one first.
    #[oai(
        path = "/form-templates/:form_template_id/versions",
        method = "get",
        operation_id = "form_template_version_list"
    )]
    async fn form_template_version_list(
        &self,
        caller: Caller,
        /// Id of the form template.
        form_template_id: Path<FormTemplateId>,
        /// Number of the page, from 1; 1 if left out.
        page: Query<Option<PageNumber>>,
        /// Maximum number of entries on a page, at most 100; 25 if left out.
        page_size: Query<Option<PageSize>>,
    ) -> Result<Json<Page<FormTemplateVersionSummary>>, ApiError> {
        caller.may(Permission::FormTemplateRead)?;
        let paging = Paging::new(page.0, page_size.0);
        Ok(Json(self.templates.versions(&caller, form_template_id.0, paging).await?))
    }

    /// Get a version of a form template
    ///
    /// Returns a published version with its content. SHA-256 of `content` in its canonical form (RFC 8785) is
    /// `content_hash`.
    #[oai(
        path = "/form-templates/:form_template_id/versions/:version",
        method = "get",
        operation_id = "form_template_version_get"
    )]
    async fn form_template_version_get(
        &self,
        caller: Caller,
        /// Id of the form template.
        form_template_id: Path<FormTemplateId>,
        /// Number of the version, from 1.
        #[oai(validator(minimum(value = "1")))]
        version: Path<i64>,
    ) -> Result<Json<FormTemplateVersion>, ApiError> {
        caller.may(Permission::FormTemplateRead)?;
        Ok(Json(self.templates.version(&caller, form_template_id.0, version.0).await?))
    }

    /// Preview a form
    ///
    /// Returns what the draft, or a published version, shows and requires for the given values, their faults, and the
    /// scores, by the rules of forms that are filled in. Stores nothing, neither the values nor an audit entry. Answers
    /// 422 with the faults of the draft, each with a JSON pointer into the template, if it has any.
    #[oai(path = "/form-templates/:form_template_id/preview", method = "post", operation_id = "form_template_preview")]
    async fn form_template_preview(
        &self,
        caller: Caller,
        /// Id of the form template.
        form_template_id: Path<FormTemplateId>,
        body: Body<PreviewForm>,
    ) -> Result<Json<FormPreview>, ApiError> {
        caller.may(Permission::FormTemplateRead)?;
        Ok(Json(self.templates.preview(&caller, form_template_id.0, &body).await?))
    }
}
