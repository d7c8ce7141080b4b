use server_shared::errors;

use crate::{
    database::DatabaseError,
    domain::rules::{InvalidValue, StaleVersion},
};

errors! {
    /// Errors of schedules.
    pub(crate) enum ScheduleError {
        NotFound => NotFound "specialist_not_found" "There is no such specialist.",
    }
    and those of {
        Stale(#[from] StaleVersion),
        Invalid(#[from] InvalidValue),
        Database(#[from] DatabaseError),
    }
}
