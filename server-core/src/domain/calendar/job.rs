use super::repository;
use crate::database::{Across, DatabaseError};

/// Deletes the records of appointments that left a calendar more than 90 days ago; returns their number.
pub(crate) async fn departures_expire(across: Across) -> Result<u64, DatabaseError> {
    repository::departures_purge(&across).await
}
