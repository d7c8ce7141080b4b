//! Errors of consents that Core collects.

use server_shared::errors;

use crate::{privacy::error::ErasureInProgress, storage::StoreError};

errors! {
    /// Errors of consents that Core collects.
    pub(crate) enum SubjectError {
        /// The patient's data has been erased, and its id is never used again.
        Erased => Conflict "subject_erased"
            "The data of this patient has been erased; nothing more is stored about it.",
    }
    and those of {
        /// The person's data is being erased.
        Erasure(#[from] ErasureInProgress),
        /// A store is unavailable or failed.
        Store(#[from] StoreError),
    }
}

impl From<sqlx::Error> for SubjectError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
