use server_shared::errors;

use crate::{database::DatabaseError, domain::rules::InvalidValue, integration::s3::StorageError};

errors! {
    /// Errors of exports.
    pub(crate) enum ExportError {
        Version => Malformed "http_version_too_old"
            "Use HTTP/1.1 or HTTP/2, also between a proxy and this service: in HTTP/1.0, a table that breaks off looks \
             like a complete one.",
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
