use serde_json::{Value, json};
use server_shared::{
    error::{self, FieldFault},
    errors,
};

use crate::{
    database::DatabaseError,
    domain::rules::{InvalidValue, StaleVersion},
};

errors! {
    /// Errors of form templates.
    pub(crate) enum FormTemplateError {
        NotFound => NotFound "form_template_not_found" "There is no such form template.",
        VersionNotFound => NotFound "form_template_version_not_found"
            "There is no such published version of this form template.",
        NameTaken => Conflict "form_template_name_taken" "Another form template in use has this name.",
        SlugTaken => Conflict "slug_taken" "Another form template in use has this slug; choose another one.",
        Archived => Conflict "form_template_archived"
            "The form template is archived, so it is published no more; create another one.",
        NothingToPublish { version: i32 } => Conflict "nothing_to_publish"
            "The draft is the same as the last published version; change it first."
            with json!({ "published_version": version }),
        Faulty { details: Value } => Invalid "validation_failed"
            "The draft of the form template has faults; see details.fields, whose pointers are those of the template."
            with details.clone(),
    }
    and those of {
        Invalid(#[from] InvalidValue),
        Stale(#[from] StaleVersion),
        Database(#[from] DatabaseError),
    }
}

impl FormTemplateError {
    /// Creates the error of a draft with these faults.
    pub(super) fn faulty(faults: &[FieldFault]) -> Self {
        Self::Faulty { details: error::fields(faults) }
    }
}
