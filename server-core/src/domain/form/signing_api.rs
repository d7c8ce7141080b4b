use poem_openapi::{OpenApi, param::Path, payload::Json};
use server_shared::{
    ApiError,
    http::{Body, Created},
};

use super::{
    model::{Form, FormVersionInput, FormWriteBack, SignForm, VoidForm},
    service::Service,
};
use crate::{
    database::Disclosed,
    domain::Tag,
    identity::{Caller, Permission, Person},
    ids::FormId,
};

/// Operations that complete a form: its submission, its signatures, and what happens to it afterwards.
pub(crate) struct SigningApi {
    pub(crate) forms: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Forms")]
impl SigningApi {
    /// Submit a form
    ///
    /// Makes a draft `submitted`, so that it can be signed. All answers are checked again by the form's version of its
    /// template: the answer 422 lists every required answer that is missing by a pointer below `/values`, in groups by
    /// the id of the entry, e.g. `/values/medication/<id>/name`. Answers to hidden fields are dropped; the history
    /// names them. Saving answers makes the form a draft again.
    ///
    /// Answers 409 `form_submitted` if it is submitted already, `form_signed` if it has a signature, `form_void` if it
    /// is void, and `stale_version` if it was changed since `version`, whichever answer it was: nothing is submitted
    /// that the caller has not read.
    #[oai(path = "/forms/:form_id/submit", method = "post", operation_id = "form_submit")]
    async fn form_submit(
        &self,
        caller: Caller,
        /// Id of the form.
        form_id: Path<FormId>,
        body: Body<FormVersionInput>,
    ) -> Result<Disclosed<Json<Form>>, ApiError> {
        caller.may(Permission::FormWrite)?;
        Ok(self.forms.submit(&caller, caller.organization()?, form_id.0, body.version).await?.map(Json))
    }

    /// Sign a form
    ///
    /// Adds the next signature of a submitted form: the template states who signs, with which meaning, in which order.
    /// Specialists sign as `specialist`, patients as `patient` their own forms; nobody else signs, no API key, and no
    /// administrator who acts as a patient (403 `signing_impersonated`). The same user may sign more than once where
    /// the template asks for several meanings of its role.
    ///
    /// The first signature freezes the form: `content` has the answers, scores and everything else that is signed,
    /// `content_hash` its SHA-256 in the canonical form of RFC 8785. Each signature is a statement that names this hash
    /// and the hash of the signature before it. From then on nobody changes the form; `form_amend` corrects it. The
    /// last signature makes it `signed` and writes answers back to the patient's profile, see `form_write_back_get`.
    ///
    /// Answers 409 `form_signature_not_next` if another signature comes next, which `details.next` names;
    /// `form_not_submitted` for a draft, `form_signed` if every signature is there, `form_void`, and `stale_version`.
    #[oai(path = "/forms/:form_id/sign", method = "post", operation_id = "form_sign")]
    async fn form_sign(
        &self,
        caller: Person,
        /// Id of the form.
        form_id: Path<FormId>,
        body: Body<SignForm>,
    ) -> Result<Disclosed<Json<Form>>, ApiError> {
        caller.may(Permission::FormSign)?;
        Ok(self.forms.sign(&caller, caller.organization()?, form_id.0, &body).await?.map(Json))
    }

    /// Amend a form
    ///
    /// Creates a draft that corrects a signed form, which itself stays as it is. The draft asks the same version of the
    /// template, begins with the signed answers, and takes the place of the form in its appointment; `amends_id` of one
    /// and `amended_by_id` of the other name each other. It is submitted and signed like any form. Permitted to
    /// specialists.
    ///
    /// Answers 409 `form_not_signed` unless the form has every signature, `form_void`, and `form_amended` if another
    /// form that is not void amends it, which `details.amended_by_id` names: amend that one.
    #[oai(path = "/forms/:form_id/amend", method = "post", operation_id = "form_amend")]
    async fn form_amend(
        &self,
        caller: Person,
        /// Id of the signed form.
        form_id: Path<FormId>,
        body: Body<FormVersionInput>,
    ) -> Result<Disclosed<Created<Form>>, ApiError> {
        caller.may(Permission::FormAmend)?;
        Ok(self.forms.amend(&caller, caller.organization()?, form_id.0, body.version).await?.map(Created))
    }

    /// Make a form void
    ///
    /// Marks a form that does not count, whatever its state, e.g. one about the wrong person. It can still be read, and
    /// nothing else can be done with it. What a signed form wrote to the profile stays there. The template may be
    /// attached to the appointment again; if the form amends another one, that one takes its place back. Permitted to
    /// administrators and specialists; it can't be undone.
    ///
    /// Answers 409 `form_void` if the form is void already, and `stale_version` if it was changed since `version`.
    #[oai(path = "/forms/:form_id/void", method = "post", operation_id = "form_void")]
    async fn form_void(
        &self,
        caller: Person,
        /// Id of the form.
        form_id: Path<FormId>,
        body: Body<VoidForm>,
    ) -> Result<Disclosed<Json<Form>>, ApiError> {
        caller.may(Permission::FormVoid)?;
        Ok(self.forms.void(&caller, caller.organization()?, form_id.0, &body).await?.map(Json))
    }

    /// Get the effect of signing a form
    ///
    /// Returns each field that the form writes back to the patient's profile with what its last signature would do if
    /// the caller gave it now: values that the caller's role doesn't write, or that the custom field doesn't accept or
    /// protects less, are skipped. Fields that are hidden or unanswered leave the profile as it is. Of a signed form,
    /// which has written its values, it compares them with the present profile; the list of a void form is empty.
    #[oai(path = "/forms/:form_id/write-back", method = "get", operation_id = "form_write_back_get")]
    async fn form_write_back_get(
        &self,
        caller: Caller,
        /// Id of the form.
        form_id: Path<FormId>,
    ) -> Result<Disclosed<Json<FormWriteBack>>, ApiError> {
        caller.may(Permission::FormRead)?;
        Ok(self.forms.write_back_preview(&caller, caller.organization()?, form_id.0).await?.map(Json))
    }
}
