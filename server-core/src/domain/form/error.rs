use poem_openapi::types::ToJSON as _;
use serde_json::json;
use server_shared::errors;

use crate::{
    database::DatabaseError,
    domain::{
        form_definition::FormSigner,
        patient::PatientError,
        profile::ProfileError,
        rules::{InvalidValue, StaleVersion},
    },
    ids::FormId,
};

errors! {
    /// Errors of forms.
    pub(crate) enum FormError {
        NotFound => NotFound "form_not_found" "There is no such form.",
        Erased => NotFound "form_erased"
            "The patient of this form was erased, and with it the key of the answers: nobody can open it any more.",
        Signed => Conflict "form_signed" "The form is signed, so it stays as it is; amend it instead.",
        Void => Conflict "form_void" "The form is void, so it stays as it is; create another one.",
        NotDraft => Conflict "form_not_draft" "Only drafts are deleted; make the form void instead.",
        DeletionForbidden => Forbidden "form_deletion_forbidden"
            "You can delete only drafts that you created yourself; ask the clinic.",
        Submitted => Conflict "form_submitted"
            "The form is submitted already; sign it, or save answers to make it a draft again.",
        NotSubmitted => Conflict "form_not_submitted" "Only a submitted form is signed; submit it first.",
        NotSigned => Conflict "form_not_signed"
            "Only a form with every signature is amended; change its answers instead, or complete its signatures.",
        Amended { amended_by_id: FormId } => Conflict "form_amended"
            "The form was amended before; see details.amended_by_id."
            with json!({ "amended_by_id": amended_by_id }),
        SignatureNotNext { next: Option<FormSigner> } => Conflict "form_signature_not_next"
            "Another signature comes next; see details.next."
            with json!({ "next": next.to_json() }),
        SignerForbidden => Forbidden "form_signer_forbidden"
            "Only specialists and patients sign forms, each in a session of its own.",
        SigningImpersonated => Forbidden "signing_impersonated"
            "Nobody signs for a patient as whom it acts; the patient signs itself.",
        TemplateNotPublished => Conflict "form_template_not_published"
            "The form template has no published version yet; publish it first.",
        TemplateArchived => Conflict "form_template_archived"
            "The form template is archived, so no form is created from it any more; choose another one.",
        NothingToMigrate => Conflict "nothing_to_migrate" "The form asks this version of its template already.",
    }
    and those of {
        Patient(#[from] PatientError),
        Profile(#[from] ProfileError),
        Stale(#[from] StaleVersion),
        Invalid(#[from] InvalidValue),
        Database(#[from] DatabaseError),
    }
}
