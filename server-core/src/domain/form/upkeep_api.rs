use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use server_shared::{
    ApiError,
    http::{
        Body, Page, Paging,
        page::{PageNumber, PageSize},
    },
};

use super::{
    model::Form,
    service::Service,
    upkeep_model::{FormHistoryEntry, FormPrefilled, MigrateForm},
};
use crate::{
    database::Disclosed,
    domain::Tag,
    identity::{Caller, Permission},
    ids::{FormId, FormTemplateId, PatientId},
};

/// Operations around the filling in of forms: what they begin with, their versions and their history.
pub(crate) struct UpkeepApi {
    pub(crate) forms: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Forms")]
impl UpkeepApi {
    /// Move a form to another version
    ///
    /// Moves a form that nobody has signed to a later version of its template: the last published one, or the one that
    /// the body names, also of a template that is archived. Answers stay as they are, and each has to fit, those to
    /// hidden fields included. A form that was submitted becomes a draft again, because the version may ask more; it is
    /// not prefilled again. The history names the move.
    ///
    /// Answers 422 with every answer that does not fit, by a pointer such as `/values/pain`, in groups by the id of the
    /// entry, `/values/medication/<id>/name`: the version asks no such field (`unknown`), or its field refuses the
    /// value, has another unit (`unit`), protects it less (`phi`), or has options where there were none. Remove or
    /// change these answers first. Answers 409 `nothing_to_migrate` if the form asks this version already,
    /// `form_signed` or `form_void` if it can't change, and `stale_version` if somebody else has changed it in the
    /// meantime.
    #[oai(path = "/forms/:form_id/migrate", method = "post", operation_id = "form_migrate")]
    async fn form_migrate(
        &self,
        caller: Caller,
        /// Id of the form.
        form_id: Path<FormId>,
        body: Body<MigrateForm>,
    ) -> Result<Disclosed<Json<Form>>, ApiError> {
        caller.may(Permission::FormMigrate)?;
        Ok(self.forms.migrate(&caller, caller.organization()?, form_id.0, &body).await?.map(Json))
    }

    /// List the changes of a form
    ///
    /// Returns the saves of a form and everything else that changed it, the latest first, each with its author and the
    /// names of the fields whose answers changed, at most 1,000 of them. The answers themselves are not kept.
    #[oai(path = "/forms/:form_id/history", method = "get", operation_id = "form_history_list")]
    async fn form_history_list(
        &self,
        caller: Caller,
        /// Id of the form.
        form_id: Path<FormId>,
        /// Number of the page, from 1; 1 if left out.
        page: Query<Option<PageNumber>>,
        /// Maximum number of entries on a page, at most 100; 25 if left out.
        page_size: Query<Option<PageSize>>,
    ) -> Result<Json<Page<FormHistoryEntry>>, ApiError> {
        caller.may(Permission::FormHistory)?;
        caller.organization()?;
        Ok(Json(self.forms.history(&caller, form_id.0, Paging::new(page.0, page_size.0)).await?))
    }

    /// Get what a form would begin with
    ///
    /// Returns the answers that a form about the patient would be prefilled with if the caller created it now, each
    /// with its origin: an attribute of the patient's record, or a custom field in its profile that the caller's role
    /// reads. A value is left out if the form's field does not accept it, protects it less, or has another unit, or if
    /// the custom field is archived. Stores nothing but the audit entry of the read.
    ///
    /// Answers 422 if `form_template_id` is no form template of the clinic, 409 `form_template_not_published` or
    /// `form_template_archived` if no form can be created from it.
    #[oai(path = "/patients/:patient_id/prefill", method = "get", operation_id = "patient_prefill_get")]
    async fn patient_prefill_get(
        &self,
        caller: Caller,
        /// Id of the patient.
        patient_id: Path<PatientId>,
        /// Id of the form template, of which the last published version is used.
        form_template_id: Query<FormTemplateId>,
    ) -> Result<Disclosed<Json<FormPrefilled>>, ApiError> {
        caller.may(Permission::PatientRead)?;
        let organization = caller.organization()?;
        let prefilled = self.forms.prefill(&caller, organization, patient_id.0, form_template_id.0).await?;
        Ok(prefilled.map(Json))
    }
}
