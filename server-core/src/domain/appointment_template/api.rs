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
    model::{AppointmentTemplate, AppointmentTemplateInput, AppointmentTemplateSort},
};
use crate::{
    domain::Tag,
    identity::{Caller, Permission},
    ids::AppointmentTemplateId,
};

/// Operations below `/v1/appointment-templates`.
pub(crate) struct Api {
    pub(crate) templates: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::AppointmentTemplates")]
impl Api {
    /// List appointment templates
    ///
    /// Returns the templates in use, or with `archived=true` the archived ones, which can no longer be booked, sorted
    /// by name in the order of the Unicode collation.
    #[oai(path = "/appointment-templates", method = "get", operation_id = "appointment_template_list")]
    async fn appointment_template_list(
        &self,
        caller: Caller,
        /// Number of the page, from 1; 1 if left out.
        page: Query<Option<PageNumber>>,
        /// Maximum number of entries on a page, at most 100; 25 if left out.
        page_size: Query<Option<PageSize>>,
        /// `true` to list archived templates instead of those in use.
        archived: Query<Option<bool>>,
        /// Order of the list.
        sort: Query<Option<AppointmentTemplateSort>>,
    ) -> Result<Json<Page<AppointmentTemplate>>, ApiError> {
        caller.may(Permission::AppointmentTemplateRead)?;
        let paging = Paging::new(page.0, page_size.0);
        Ok(Json(self.templates.list(&caller, archived.0.unwrap_or(false), sort.0.unwrap_or_default(), paging).await?))
    }

    /// Create an appointment template
    ///
    /// Answers 409 `slug_taken` if another template in use has the slug.
    #[oai(path = "/appointment-templates", method = "post", operation_id = "appointment_template_create")]
    async fn appointment_template_create(
        &self,
        caller: Caller,
        body: Body<AppointmentTemplateInput>,
    ) -> Result<Created<AppointmentTemplate>, ApiError> {
        caller.may(Permission::AppointmentTemplateWrite)?;
        Ok(Created(self.templates.create(&caller, caller.organization()?, &body).await?))
    }

    /// Get an appointment template by its slug
    ///
    /// Searches the templates in use. The slug of an archived template can be used again.
    #[oai(path = "/appointment-templates/slug/:slug", method = "get", operation_id = "appointment_template_find")]
    async fn appointment_template_find(
        &self,
        caller: Caller,
        /// Slug of the template.
        #[oai(validator(max_length = 60, pattern = "^[!-~]*$"))]
        slug: Path<String>,
    ) -> Result<Json<AppointmentTemplate>, ApiError> {
        caller.may(Permission::AppointmentTemplateRead)?;
        Ok(Json(self.templates.find(&caller, &slug.0).await?))
    }

    /// Get an appointment template
    ///
    /// Returns archived templates, too: past appointments keep referring to them.
    #[oai(
        path = "/appointment-templates/:appointment_template_id",
        method = "get",
        operation_id = "appointment_template_get"
    )]
    async fn appointment_template_get(
        &self,
        caller: Caller,
        /// Id of the template.
        appointment_template_id: Path<AppointmentTemplateId>,
    ) -> Result<Json<AppointmentTemplate>, ApiError> {
        caller.may(Permission::AppointmentTemplateRead)?;
        Ok(Json(self.templates.get(&caller, appointment_template_id.0).await?))
    }

    /// Replace an appointment template
    ///
    /// Leaves booked appointments as they are. Answers 409 `slug_taken` if another template in use has the slug.
    #[oai(
        path = "/appointment-templates/:appointment_template_id",
        method = "put",
        operation_id = "appointment_template_update"
    )]
    async fn appointment_template_update(
        &self,
        caller: Caller,
        /// Id of the template.
        appointment_template_id: Path<AppointmentTemplateId>,
        body: Body<AppointmentTemplateInput>,
    ) -> Result<Json<AppointmentTemplate>, ApiError> {
        caller.may(Permission::AppointmentTemplateWrite)?;
        Ok(Json(self.templates.update(&caller, caller.organization()?, appointment_template_id.0, &body).await?))
    }

    /// Delete or archive an appointment template
    ///
    /// Archives a template that an appointment refers to: it can no longer be booked, and the references stay. Deletes
    /// any other. Archiving again changes nothing.
    #[oai(
        path = "/appointment-templates/:appointment_template_id",
        method = "delete",
        operation_id = "appointment_template_delete"
    )]
    async fn appointment_template_delete(
        &self,
        caller: Caller,
        /// Id of the template.
        appointment_template_id: Path<AppointmentTemplateId>,
    ) -> Result<NoContent, ApiError> {
        caller.may(Permission::AppointmentTemplateWrite)?;
        self.templates.delete(&caller, appointment_template_id.0).await?;
        Ok(NoContent)
    }
}
