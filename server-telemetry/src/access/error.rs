//! Errors of revocations.

use server_shared::{
    error::{FieldFault, fields},
    errors,
};

use crate::storage::StoreError;

errors! {
    /// Why there was no answer.
    pub(crate) enum AccessError {
        /// It would keep the user out for longer than clocks may differ.
        TooFarAhead => Invalid "validation_failed" "Some values are not valid; see details.fields."
            with fields(&[FieldFault::new(
                "/not_before",
                "range",
                "must not be more than five minutes ahead of this service's clock",
            )]),
    }
    and those of {
        /// A store is down or in disorder.
        Store(#[from] StoreError),
    }
}
