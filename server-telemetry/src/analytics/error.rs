//! Errors of analytics.

use server_shared::{
    error::{FieldFault, fields},
    errors,
};

use crate::{ingest::PeriodError, storage::StoreError};

errors! {
    /// Errors of analytics.
    pub(crate) enum AnalyticsError {
        /// The period is longer than a summary may cover.
        TooLong => Malformed "invalid_range" "`from` must be at most 366 days before `to`."
            with fields(&[FieldFault::new("from", "range", "must be at most 366 days before `to`")]),
    }
    and those of {
        /// The period is reversed or empty.
        Period(#[from] PeriodError),
        /// A store is unavailable or failed.
        Store(#[from] StoreError),
    }
}
