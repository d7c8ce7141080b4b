use server_shared::errors;

use crate::{database::DatabaseError, domain::rules::InvalidValue};

errors! {
    /// Errors of API keys.
    pub(crate) enum ApiKeyError {
        NotFound => NotFound "api_key_not_found" "There is no such API key.",
        Revoked => Conflict "api_key_revoked" "The API key was revoked; create another one.",
    }
    and those of {
        Invalid(#[from] InvalidValue),
        Database(#[from] DatabaseError),
    }
}
