//! What can go wrong in analytics.

use server_shared::{
    error::{FieldFault, fields},
    errors,
};

use crate::{ingest::PeriodError, storage::StoreError};

errors! {
    /// Why a summary can't be made or events not be stored.
    pub(crate) enum AnalyticsError {
        /// The period is longer than a summary may cover.
        TooLong => Malformed "invalid_range" "`from` must be at most 366 days before `to`."
            with fields(&[FieldFault::new("from", "range", "must be at most 366 days before `to`")]),
    }
    and those of {
        /// The period is reversed or empty.
        Period(#[from] PeriodError),
        /// A store is down or in disorder.
        Store(#[from] StoreError),
    }
}
