//! What can go wrong in analytics.

use server_shared::{
    error::{FieldFault, fields},
    errors,
};

use crate::storage::StoreError;

errors! {
    /// Why a summary can't be made or events not be stored.
    pub(crate) enum AnalyticsError {
        /// `from` is not before `to`, or too long before.
        InvalidRange => Malformed "invalid_range" "`from` must be before `to`, by at most 366 days."
            with fields(&[FieldFault::new("from", "range", "must be before `to`, by at most 366 days")]),
    }
    and those of {
        /// A store is down or in disorder.
        Store(#[from] StoreError),
    }
}
