use std::sync::Arc;

use chrono::TimeDelta;
use chrono_tz::Tz;
use server_shared::error::FieldFault;

use super::{
    error::CalendarError,
    event,
    feed_event::CalendarFeedEvent,
    model::{Calendar, CalendarFeedToken, SearchCalendar},
    repository,
};
use crate::{
    database::Database,
    identity::{Caller, Person, Secrets},
    ids::OrganizationId,
};

/// Longest range of a calendar: 92 days, and two hours for a change of the clocks.
const LONGEST: TimeDelta = TimeDelta::hours(92 * 24 + 2);

/// Calendars of appointments, and feeds of them.
#[derive(Clone)]
pub(crate) struct Service {
    database: Database,
    secrets: Arc<Secrets>,
}

impl Service {
    pub(crate) fn new(database: Database, secrets: Arc<Secrets>) -> Self {
        Self { database, secrets }
    }

    pub(super) async fn search(&self, caller: &Caller, search: &SearchCalendar) -> Result<Calendar, CalendarError> {
        let timezone = check(search)?;
        let mut reader = self.database.read(caller).open().await?;
        let (timezone, entries) = repository::calendar_entries(&mut reader, search, timezone).await?;
        Ok(Calendar { timezone: timezone.name().to_owned(), entries })
    }

    /// Renders the caller's feed.
    pub(super) async fn feed(&self, caller: &Caller) -> Result<String, CalendarError> {
        let mut reader = self.database.read(caller).open().await?;
        Ok(event::written(&repository::feed_entries(&mut reader).await?))
    }

    pub(super) async fn feed_create(
        &self,
        caller: &Person,
        organization: OrganizationId,
    ) -> Result<CalendarFeedToken, CalendarError> {
        // A superadmin sees every organization, which a link must not.
        if !caller.identity().memberships.iter().any(|m| m.organization_id == organization) {
            return Err(CalendarError::NoMember);
        }
        let secret = self.secrets.make();
        let mut tx = self.database.write(caller).await?;
        let feed = repository::feed_put(&mut tx, organization, caller.id(), &secret.hash).await?;
        tx.commit(CalendarFeedEvent::Created(feed.id)).await?;
        Ok(CalendarFeedToken { feed, token: secret.secret })
    }

    pub(super) async fn feed_delete(&self, caller: &Person, organization: OrganizationId) -> Result<(), CalendarError> {
        let mut tx = self.database.write(caller).await?;
        let id = repository::feed_revoke(&mut tx, organization, caller.id()).await?;
        let id = id.ok_or(CalendarError::FeedNotFound)?;
        tx.commit(CalendarFeedEvent::Revoked(id)).await?;
        Ok(())
    }
}

/// Validates a search and returns the requested zone, if any; an error lists every fault.
fn check(search: &SearchCalendar) -> Result<Option<Tz>, CalendarError> {
    let mut faults = Vec::new();
    if search.to <= search.from {
        faults.push(FieldFault::new("/to", "order", "must be after from"));
    } else if search.to.get() - search.from.get() > LONGEST {
        faults.push(FieldFault::new("/to", "range", "must be at most 92 days after from"));
    }
    let timezone = search.timezone.as_deref().map(str::parse::<Tz>).transpose().unwrap_or_else(|_| {
        let message = "must be a zone of the IANA database, e.g. Europe/Berlin";
        faults.push(FieldFault::new("/timezone", "timezone", message));
        None
    });
    if faults.is_empty() { Ok(timezone) } else { Err(CalendarError::Search { faults }) }
}

#[cfg(test)]
mod tests {
    use poem_openapi::types::Example;
    use server_shared::value::Moment;

    use super::*;

    fn accepted(days: i64, hours: i64, timezone: Option<&str>) -> bool {
        let example = SearchCalendar::example();
        let to = Moment::nearest(example.from.get() + TimeDelta::days(days) + TimeDelta::hours(hours));
        check(&SearchCalendar { to, timezone: timezone.map(str::to_owned), ..example }).is_ok()
    }

    #[test]
    fn a_range_is_a_quarter_at_most_even_where_the_clocks_change_in_it() {
        assert!(accepted(92, 1, None) && accepted(1, 0, Some("Australia/Lord_Howe")));
        assert!(!accepted(93, 0, None) && !accepted(0, 0, None) && !accepted(-1, 0, None));
        assert!(!accepted(1, 0, Some("Mars/Olympus")));
    }
}
