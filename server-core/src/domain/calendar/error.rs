use serde_json::json;
use server_shared::{ApiError, error::FieldFault, errors};

use crate::database::DatabaseError;

errors! {
    /// Errors of calendars.
    pub(crate) enum CalendarError {
        Search { faults: Vec<FieldFault> } => Invalid "validation_failed"
            "Some values are not valid; see details.fields."
            with json!({ "fields": faults }),
        NoMember => Forbidden "permission_denied"
            "Only members of the organization have a calendar feed.",
        FeedNotFound => NotFound "calendar_feed_not_found" "There is no such calendar feed.",
    }
    and those of {
        Database(#[from] DatabaseError),
    }
}

impl CalendarError {
    /// Converts the error of a search whose values came as query parameters: their faults are 400, not 422.
    pub(super) fn of_parameters(self) -> ApiError {
        match self {
            Self::Search { faults } => {
                let named = |fault: FieldFault| FieldFault { pointer: fault.pointer.replace('/', ""), ..fault };
                let faults: Vec<_> = faults.into_iter().map(named).collect();
                ApiError::bad_request("invalid_parameter", "A parameter is not valid; see details.fields.")
                    .with_fields(&faults)
            }
            other => other.into(),
        }
    }
}
