use serde_json::json;
use server_shared::errors;

use crate::{database::DatabaseError, domain::rules::InvalidValue};

errors! {
    /// What can go wrong with schedules.
    pub(crate) enum ScheduleError {
        NotFound => NotFound "specialist_not_found" "There is no such specialist.",
        StaleVersion { current: i64 } => Conflict "stale_version"
            "Somebody else changed the schedule meanwhile; get it again and repeat the change."
            with json!({ "version": current }),
    }
    and those of {
        Invalid(#[from] InvalidValue),
        Database(#[from] DatabaseError),
    }
}
