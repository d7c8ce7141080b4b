//! Service for analytics events and summaries.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{
    error::AnalyticsError,
    model::{AnalyticsBatch, AnalyticsRow, AnalyticsSummary, NewAnalyticsEvent, PropertyValue},
    repository::AnalyticsRepository,
};
use crate::{
    compliance::{Client, Compliance, Pseudonym, Traces},
    identity::Member,
    ingest::{Clock, DropReason, EventFault, IngestReceipt, Period, Tally},
    privacy::{ConsentService, Purpose},
    storage::{StoreError, clickhouse::Writer},
};

const NAME_MAX: usize = 64;
const TEXT_MAX: usize = 512;
/// Period of a summary when the caller names none.
const PERIOD_DEFAULT: TimeDelta = TimeDelta::days(30);
/// Longest period of a summary.
const PERIOD_MAX: TimeDelta = TimeDelta::days(366);

/// Stores events of consenting people and summarizes them.
pub(crate) struct AnalyticsService {
    pub consents: Arc<ConsentService>,
    pub compliance: Arc<Compliance>,
    pub events: Writer<AnalyticsRow>,
    pub repository: AnalyticsRepository,
}

impl AnalyticsService {
    /// Stores the events of a batch that may be stored; returns once they are durable.
    pub(crate) async fn track(
        &self,
        member: &Member,
        client: &Client,
        batch: AnalyticsBatch,
    ) -> Result<IngestReceipt, AnalyticsError> {
        let purpose = Purpose::Analytics;
        if client.opted_out {
            return Ok(Tally::all_dropped(purpose.as_str(), batch.events.len(), DropReason::OptedOut));
        }
        if let Some(reason) = self.consents.refusal(member, purpose).await? {
            return Ok(Tally::all_dropped(purpose.as_str(), batch.events.len(), reason));
        }
        let origin = Origin {
            member,
            clock: Clock::now(batch.sent_at),
            actor: self.compliance.actor(member.organization_id, member.user_id),
            traces: self.compliance.traces(client),
        };
        let mut tally = Tally::default();
        let mut rows = Vec::with_capacity(batch.events.len());
        for (index, event) in batch.events.into_iter().enumerate() {
            match row(event, &origin) {
                Ok(row) => rows.push(row),
                Err((field, message)) => tally.malformed(EventFault::new(index, field, message)),
            }
        }
        tally.stored(rows.len());
        self.events.write(rows).await.map_err(StoreError::from)?;
        Ok(tally.receipt(purpose.as_str()))
    }

    /// Summarizes the events of the person's organization in `period`.
    pub(crate) async fn summary(&self, member: &Member, period: Period) -> Result<AnalyticsSummary, AnalyticsError> {
        let (from, to) = bounds(period, Utc::now())?;
        let (totals, by_event) =
            self.repository.summary(member.organization_id, from, to).await.map_err(StoreError::from)?;
        Ok(AnalyticsSummary { from, to, events: totals.events, unique_actors: totals.unique_actors, by_event })
    }
}

/// Returns start and end of `period`, with defaults for ends that are left open.
fn bounds(period: Period, now: DateTime<Utc>) -> Result<(DateTime<Utc>, DateTime<Utc>), AnalyticsError> {
    let (from, to) = period.closed(now, PERIOD_DEFAULT)?;
    if to - from > PERIOD_MAX {
        return Err(AnalyticsError::TooLong);
    }
    Ok((from, to))
}

/// Values that the events of one request share.
struct Origin<'a> {
    member: &'a Member,
    clock: Clock,
    actor: Pseudonym,
    traces: Traces,
}

/// Returns the row of an event; or the field at fault, and the requirement that it does not meet.
fn row(event: NewAnalyticsEvent, origin: &Origin<'_>) -> Result<AnalyticsRow, (&'static str, &'static str)> {
    let (mut properties, mut numbers) = (Vec::new(), Vec::new());
    for (key, value) in event.properties {
        if key.is_empty() || key.chars().count() > NAME_MAX {
            return Err(("properties", "names must have 1 to 64 characters"));
        }
        match value {
            PropertyValue::Text(text) if text.as_str().chars().count() > TEXT_MAX => {
                return Err(("properties", "texts must have at most 512 characters"));
            }
            PropertyValue::Text(text) => properties.push((key, text.into_inner())),
            PropertyValue::Flag(flag) => properties.push((key, flag.to_string())),
            PropertyValue::Number(number) => numbers.push((key, number)),
        }
    }
    let traces = origin.traces.clone();
    Ok(AnalyticsRow {
        organization_id: origin.member.organization_id,
        event_hour: hour(event.event_id),
        event_id: event.event_id,
        name: event.name.into_inner(),
        occurred_at: origin.clock.place(event.occurred_at.get()),
        sent_at: origin.clock.sent_at_stored(),
        received_at: origin.clock.received_at,
        actor: origin.actor,
        role: origin.member.role.as_str(),
        page: event.page.map(|page| path(page.into_inner())).unwrap_or_default(),
        properties,
        numbers,
        network: traces.network,
        ip_hash: traces.ip_hash,
        agent: traces.agent,
        os: traces.os,
        device: traces.device,
    })
}

/// Returns the hours since 1970 of a UUIDv7's time, 0 for any other id. Does not use the clock: an id must
/// always give the same hour.
fn hour(id: Uuid) -> u32 {
    let timestamp = (id.get_version_num() == 7).then(|| id.get_timestamp()).flatten();
    timestamp.map_or(0, |timestamp| u32::try_from(timestamp.to_unix().0 / 3_600).unwrap_or(u32::MAX))
}

/// Removes query and fragment from the path of a page, because they may be personal.
fn path(mut page: String) -> String {
    page.truncate(page.find(['?', '#']).unwrap_or(page.len()));
    page
}

#[cfg(test)]
mod tests {
    use poem_openapi::types::Example;

    use server_shared::value::Moment;

    use super::*;
    use crate::{analytics::model::PropertyText, identity::Role};

    fn origin(member: &Member) -> Origin<'_> {
        let traces = Traces {
            network: "203.0.113.0/24".to_owned().into(),
            ip_hash: [2; 32],
            agent: "Firefox".to_owned().into(),
            os: "Linux".to_owned().into(),
            device: "pc".to_owned().into(),
        };
        Origin { member, clock: Clock::now(None), actor: [1; 32], traces }
    }

    fn row_of(event: NewAnalyticsEvent) -> Result<AnalyticsRow, (&'static str, &'static str)> {
        row(event, &origin(&Member { user_id: 7, organization_id: 3, role: Role::Patient }))
    }

    #[test]
    fn an_event_becomes_a_row_of_the_tokens_organization() {
        let row = row_of(NewAnalyticsEvent::example()).unwrap();
        assert_eq!((row.organization_id, row.role, row.actor), (3, "patient", [1; 32]));
        assert_eq!(row.properties, [("returning".into(), "true".into()), ("step".into(), "choose_time".into())]);
        assert_eq!(row.numbers, [("slots_shown".into(), 12.0)]);
    }

    #[test]
    fn properties_are_capped_event_by_event() {
        let with = |key: &str, value: &str| {
            let properties = [(key.to_owned(), PropertyValue::Text(PropertyText::parse(value).unwrap()))].into();
            row_of(NewAnalyticsEvent { properties, ..NewAnalyticsEvent::example() }).map(|row| row.properties.len())
        };
        assert_eq!(with(&"k".repeat(64), &"ß".repeat(512)), Ok(1));
        assert_eq!(with(&"k".repeat(65), "v"), Err(("properties", "names must have 1 to 64 characters")));
        assert_eq!(with("k", &"v".repeat(513)), Err(("properties", "texts must have at most 512 characters")));
    }

    #[test]
    fn the_hour_comes_from_the_id() {
        let id = Uuid::parse_str("019a6b1c-6a10-7e05-8d6a-51f7a3a60b02").unwrap();
        assert_eq!(u64::from(hour(id)), 0x019a_6b1c_6a10 / 3_600_000);
        assert_eq!(hour(Uuid::max()), 0, "not a UUIDv7");
    }

    #[test]
    fn pages_lose_their_query() {
        for page in ["/book?email=a@b.c#top", "/book#top", "/book"] {
            assert_eq!(path(page.to_owned()), "/book");
        }
    }

    #[test]
    fn periods_are_bounded() {
        let now = Utc::now();
        let bounds = |from: Option<DateTime<Utc>>| {
            let period = Period::new(from.map(Moment::nearest), None).map_err(AnalyticsError::from);
            period.and_then(|period| bounds(period, now))
        };
        assert_eq!(bounds(None).unwrap(), (now - PERIOD_DEFAULT, now));
        assert!(bounds(Some(now + TimeDelta::days(1))).is_err(), "begins after the end that is the default");
        assert!(bounds(Some(now - TimeDelta::days(367))).is_err());
    }
}
