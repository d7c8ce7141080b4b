//! What can go wrong with the audit trail.

use server_shared::ApiError;
use thiserror::Error;

use crate::storage::StoreError;

/// Why the audit trail gave no answer.
#[derive(Debug, Error)]
pub(crate) enum AuditError {
    /// No such entry, or none that the person may know of.
    #[error("no such entry")]
    NotFound,
    /// An administrator named an organization that is not its own.
    #[error("another organization")]
    OrganizationNotFound,
    /// A store is down or in disorder.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for AuditError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<AuditError> for ApiError {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::NotFound => Self::not_found("audit_log_not_found", "There is no such entry."),
            AuditError::OrganizationNotFound => {
                Self::not_found("organization_not_found", "There is no such organization, or it is not yours.")
            }
            AuditError::Store(error) => error.into(),
        }
    }
}
