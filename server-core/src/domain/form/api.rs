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
    value::LanguageTag,
};

use super::{
    Service,
    model::{CreateForm, Form, FormFilter, FormSort, FormStatus, FormSummary, UpdateForm},
};
use crate::{
    database::Disclosed,
    domain::Tag,
    identity::{Caller, Permission},
    ids::{AppointmentId, FormId, FormTemplateId, PatientId},
};

/// Operations below `/v1/forms` that list, fill in and delete forms.
pub(crate) struct Api {
    pub(crate) forms: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Forms")]
impl Api {
    /// List forms
    ///
    /// Returns the forms that the caller may see, without their answers; specialists see those of the patients whom
    /// they treat, patients their own. Forms of records that were merged are those of the surviving patient.
    #[allow(clippy::too_many_arguments, reason = "one argument a query parameter")]
    #[oai(path = "/forms", method = "get", operation_id = "form_list")]
    async fn form_list(
        &self,
        caller: Caller,
        /// Number of the page, from 1; 1 if left out.
        page: Query<Option<PageNumber>>,
        /// Maximum number of entries on a page, at most 100; 25 if left out.
        page_size: Query<Option<PageSize>>,
        /// Selects forms about this patient.
        patient_id: Query<Option<PatientId>>,
        /// Selects forms that belong to this appointment.
        appointment_id: Query<Option<AppointmentId>>,
        /// Selects forms of this template.
        form_template_id: Query<Option<FormTemplateId>>,
        /// Selects forms that ask this version of their template.
        #[oai(validator(minimum(value = "1")))]
        form_template_version: Query<Option<i32>>,
        /// Selects forms in this state. Only `void` selects void forms.
        status: Query<Option<FormStatus>>,
        /// Order of the list.
        sort: Query<Option<FormSort>>,
    ) -> Result<Json<Page<FormSummary>>, ApiError> {
        caller.may(Permission::FormRead)?;
        let filter = FormFilter {
            patient: patient_id.0,
            appointment: appointment_id.0,
            template: form_template_id.0,
            template_version: form_template_version.0,
            status: status.0,
        };
        let (sort, paging) = (sort.0.unwrap_or_default(), Paging::new(page.0, page_size.0));
        Ok(Json(self.forms.list(&caller, caller.organization()?, &filter, sort, paging).await?))
    }

    /// Create a form
    ///
    /// Creates a draft of the last published version of a template, which the form keeps, and returns it with its
    /// definition. Fields with a `prefill` begin with the value of the patient's record or profile, if the caller's
    /// role reads it and the field accepts it; `prefilled` names the source and the time of each.
    ///
    /// Answers 409 `form_template_not_published` if the template has no version yet, 409 `form_template_archived` if it
    /// is archived, and 422 for a template or a patient whom the caller doesn't see.
    #[oai(path = "/forms", method = "post", operation_id = "form_create")]
    async fn form_create(&self, caller: Caller, body: Body<CreateForm>) -> Result<Disclosed<Created<Form>>, ApiError> {
        caller.may(Permission::FormWrite)?;
        Ok(self.forms.create(&caller, caller.organization()?, &body).await?.map(Created))
    }

    /// Get a form
    ///
    /// Returns a form with its definition, its answers, and everything that it shows, requires and computes for them.
    /// Answers 404 `form_erased` if the patient was erased: nobody can open the answers any more.
    #[oai(path = "/forms/:form_id", method = "get", operation_id = "form_get")]
    async fn form_get(
        &self,
        caller: Caller,
        /// Id of the form.
        form_id: Path<FormId>,
        /// Language of the definition; that of the form if left out. A text without a translation is in the language of
        /// the template.
        language: Query<Option<LanguageTag>>,
    ) -> Result<Disclosed<Json<Form>>, ApiError> {
        caller.may(Permission::FormRead)?;
        let organization = caller.organization()?;
        Ok(self.forms.get(&caller, organization, form_id.0, language.0.as_ref(), true).await?.map(Json))
    }

    /// Save answers of a form
    ///
    /// Sets the answers that the body names, removes those that it gives as `null`, and keeps the others. Answers may
    /// be missing until the form is submitted, but each has to be one of its field: the answer 422 lists every fault by
    /// a pointer to its value, in groups by the id of the entry, e.g. `/values/medication/<id>/name`. Hidden fields
    /// keep their answers until then. All answers of a form have 2 MiB together. Returns the form without its
    /// definition.
    ///
    /// Answers 409 `stale_version` only if somebody else has changed a named answer to another value since `version`,
    /// or deleted the entry that it belongs to; a deletion of an entry meets every later write into it. Its details
    /// name these places in `keys`, at most 100, and the present `version`. A save that changes nothing succeeds and
    /// makes no version. One that changes a submitted form makes it a draft again. Answers 409 `form_signed` from the
    /// first signature on, and 409 `form_void` for a form that is void.
    #[oai(path = "/forms/:form_id", method = "put", operation_id = "form_update")]
    async fn form_update(
        &self,
        caller: Caller,
        /// Id of the form.
        form_id: Path<FormId>,
        body: Body<UpdateForm>,
    ) -> Result<Disclosed<Json<Form>>, ApiError> {
        caller.may(Permission::FormWrite)?;
        Ok(self.forms.save(&caller, caller.organization()?, form_id.0, &body).await?.map(Json))
    }

    /// Delete a form
    ///
    /// Deletes a draft with its answers and its history. Answers 409 `form_not_draft` for any other form, which is made
    /// void instead, and 403 `form_deletion_forbidden` to patients for drafts that they didn't create.
    #[oai(path = "/forms/:form_id", method = "delete", operation_id = "form_delete")]
    async fn form_delete(
        &self,
        caller: Caller,
        /// Id of the form.
        form_id: Path<FormId>,
    ) -> Result<NoContent, ApiError> {
        caller.may(Permission::FormWrite)?;
        self.forms.delete(&caller, form_id.0).await?;
        Ok(NoContent)
    }
}
