//! Errors of the audit trail.

use server_shared::errors;

use crate::storage::StoreError;

errors! {
    /// Errors of the audit trail.
    pub(crate) enum AuditError {
        /// No such entry, or none that the person may see.
        NotFound => NotFound "audit_log_not_found" "There is no such entry.",
        /// An administrator named an organization that is not its own.
        OrganizationNotFound => NotFound "organization_not_found"
            "There is no such organization, or it is not yours.",
    }
    and those of {
        /// A store is unavailable or failed.
        Store(#[from] StoreError),
    }
}

impl From<sqlx::Error> for AuditError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
