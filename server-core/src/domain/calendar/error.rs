use std::borrow::Cow;

use serde_json::Value;
use server_shared::{
    ApiError,
    error::{Fault, FaultKind, FieldFault},
};

use crate::database::DatabaseError;

/// What can go wrong with calendars.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CalendarError {
    #[error("Some values are not valid; see details.fields.")]
    Search(Vec<FieldFault>),
    #[error("Only members of the organization have a calendar to subscribe to.")]
    NoMember,
    #[error("There is no such calendar feed.")]
    FeedNotFound,
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl CalendarError {
    /// The answer where the search came as query parameters, whose faults are of the request's form.
    pub(super) fn of_parameters(self) -> ApiError {
        match self {
            Self::Search(faults) => {
                let named = |fault: FieldFault| FieldFault { pointer: fault.pointer.replace('/', ""), ..fault };
                let faults: Vec<_> = faults.into_iter().map(named).collect();
                ApiError::bad_request("invalid_parameter", "A parameter is not valid; see details.fields.")
                    .with_fields(&faults)
            }
            other => other.into(),
        }
    }
}

impl Fault for CalendarError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::Search(_) => FaultKind::Invalid,
            Self::NoMember => FaultKind::Forbidden,
            Self::FeedNotFound => FaultKind::NotFound,
            Self::Database(error) => error.kind(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::Search(_) => "validation_failed".into(),
            Self::NoMember => "permission_denied".into(),
            Self::FeedNotFound => "calendar_feed_not_found".into(),
            Self::Database(error) => error.code(),
        }
    }

    fn details(&self) -> Option<Value> {
        match self {
            Self::Search(faults) => Some(serde_json::json!({ "fields": faults })),
            _ => None,
        }
    }
}
