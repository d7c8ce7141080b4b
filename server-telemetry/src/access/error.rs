//! Errors of revocations.

use server_shared::{
    error::{FieldFault, fields},
    errors,
};

use crate::storage::StoreError;

errors! {
    /// Errors of revocations.
    pub(crate) enum AccessError {
        /// Tokens would be refused for longer than the clocks may differ.
        TooFarAhead => Invalid "validation_failed" "Some values are not valid; see details.fields."
            with fields(&[FieldFault::new(
                "/not_before",
                "range",
                "must not be more than five minutes ahead of this service's clock",
            )]),
    }
    and those of {
        /// A store is unavailable or failed.
        Store(#[from] StoreError),
    }
}
