//! Periodic job that sets the status of lapsed holds to `expired`. Bookings do not depend on it: they expire
//! overlapping lapsed holds themselves.

use uuid::Uuid;

use super::{super::event::AppointmentEvent, repository};
use crate::{
    database::{Across, Database, DatabaseError},
    event::Events,
    identity::Caller,
};

/// Operation that audit rows name.
const OPERATION: &str = "holds_expire";
/// Number of holds of an organization that one transaction expires.
const BATCH: i64 = 500;

/// Expires lapsed holds in every organization; returns their number.
pub(crate) async fn holds_expire(across: Across, database: Database) -> Result<u64, DatabaseError> {
    let mut ended = 0;
    for organization in repository::lapsed_organizations(&across).await? {
        loop {
            let caller = Caller::job(Some(organization), OPERATION, Uuid::now_v7());
            let mut tx = database.write(&caller).await?;
            let expired = repository::lapsed_expire(&mut tx, organization, BATCH).await?;
            let count = expired.len();
            let expired = AppointmentEvent::of_holds(AppointmentEvent::Expired, expired);
            let Some(events) = Events::all(expired) else { break };
            tx.commit(events).await?;
            ended += u64::try_from(count).unwrap_or_default();
        }
    }
    Ok(ended)
}
