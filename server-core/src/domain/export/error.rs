use server_shared::errors;

use crate::{database::DatabaseError, domain::rules::InvalidValue, integration::s3::StorageError};

errors! {
    /// Errors of exports.
    pub(crate) enum ExportError {
        NotFound => NotFound "export_not_found" "There is no such export.",
        Busy => Unavailable "exports_busy"
            "Too many exports are being sent at once. Try again in a minute, or let a job make a file.",
        Storage(#[source] StorageError) => Unavailable "storage_unavailable"
            "The link to the file can't be made. Try again.",
    }
    and those of {
        Invalid(#[from] InvalidValue),
        Database(#[from] DatabaseError),
    }
}
