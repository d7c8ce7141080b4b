//! Stores each audit event once, and serves the trail to administrators.

use std::{collections::HashSet, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{
    error::AuditError,
    model::{
        AuditBatch, AuditFilter, AuditLog, AuditLogList, AuditReceipt, AuditResult, AuditResultKind, CursorMeta,
        NewAuditEvent,
    },
    reading::Reader,
    repository::{self, ID_TOLERANCE},
    watcher::Watcher,
};
use crate::storage::postgres::Database;

/// Stores and reads the trail.
pub(crate) struct AuditService {
    /// Database with the trail.
    pub database: Database,
    /// Sees new events in the transaction that stores them.
    pub watcher: Arc<dyn Watcher>,
}

impl AuditService {
    /// Stores the new events of a batch, and returns once they are durable.
    pub(crate) async fn ingest(&self, batch: AuditBatch) -> Result<AuditReceipt, AuditError> {
        let now = Utc::now();
        let mut results: Vec<AuditResult> = Vec::with_capacity(batch.events.len());
        let mut events: Vec<NewAuditEvent> = Vec::with_capacity(batch.events.len());
        for event in batch.events {
            let reason = fault(&event, now).map(str::to_owned);
            let result = if reason.is_some() { AuditResultKind::Rejected } else { AuditResultKind::Duplicate };
            results.push(AuditResult { id: event.id, result, reason });
            if result != AuditResultKind::Rejected {
                events.push(event);
            }
        }
        let mut new = if events.is_empty() { HashSet::new() } else { self.store(&events).await? };
        for result in &mut results {
            // Removes the id, so that the second of two equal ids in one batch is a duplicate.
            if result.result == AuditResultKind::Duplicate && new.remove(&result.id) {
                result.result = AuditResultKind::Accepted;
            }
            metrics::counter!("telemetry_audit_events_total", "outcome" => outcome(result.result)).increment(1);
        }
        Ok(AuditReceipt { results })
    }

    /// Stores the new ones among `events`, shows them to the watcher, and returns their ids.
    pub(super) async fn store(&self, events: &[NewAuditEvent]) -> Result<HashSet<Uuid>, AuditError> {
        let mut tx = self.database.work().await?;
        let new = repository::insert(&mut tx, events).await?;
        // Of two events with one id the first was stored.
        let mut left = new.clone();
        let first: Vec<&NewAuditEvent> = events.iter().filter(|event| left.remove(&event.id)).collect();
        self.watcher.watch(&mut tx, &first).await?;
        tx.commit().await?;
        Ok(new)
    }

    /// Returns a page of the trail.
    pub(crate) async fn list(&self, reader: &Reader, filter: AuditFilter) -> Result<AuditLogList, AuditError> {
        let organization_id = reader.organization(filter.organization_id)?;
        let filter = AuditFilter { organization_id, ..filter };
        let mut tx = self.database.disclose(&reader.person).await?;
        let mut data = repository::list(&mut tx, &filter).await?;
        let page = usize::try_from(filter.paging.limit()).unwrap_or(usize::MAX);
        let more = data.len() > page;
        data.truncate(page);
        let search = reader.event_of_search(organization_id.unwrap_or(0), data.iter().map(|log| log.id));
        repository::insert(&mut tx, &[search]).await?;
        tx.commit().await?;
        let next_cursor = data.last().filter(|_| more).map(|last| last.id.to_string());
        Ok(AuditLogList { data, meta: CursorMeta { next_cursor } })
    }

    /// Returns one entry of the trail.
    pub(crate) async fn get(&self, reader: &Reader, id: Uuid) -> Result<AuditLog, AuditError> {
        let mut tx = self.database.disclose(&reader.person).await?;
        let log = repository::find(&mut tx, id).await?;
        let organization_id = match &log {
            Some(log) => log.organization_id,
            None => reader.organization(None)?.unwrap_or(0),
        };
        repository::insert(&mut tx, &[reader.event_of_one(organization_id, id, log.is_some())]).await?;
        tx.commit().await?;
        log.ok_or(AuditError::NotFound)
    }
}

fn outcome(result: AuditResultKind) -> &'static str {
    match result {
        AuditResultKind::Accepted => "accepted",
        AuditResultKind::Duplicate => "duplicate",
        AuditResultKind::Rejected => "rejected",
    }
}

/// Returns the reason for which an event can never be stored. Ids are ordered by time, the trail is searched in
/// that order, and partitions are created ahead of time: an event with any other id would never be found.
fn fault(event: &NewAuditEvent, now: DateTime<Utc>) -> Option<&'static str> {
    const NO_UUID_V7: &str = "id is no UUIDv7";
    if event.id.get_version_num() != 7 {
        return Some(NO_UUID_V7);
    }
    let Some(made) = event.id.get_timestamp().and_then(|timestamp| {
        let (seconds, nanoseconds) = timestamp.to_unix();
        DateTime::from_timestamp(seconds.try_into().ok()?, nanoseconds)
    }) else {
        return Some(NO_UUID_V7);
    };
    if made > now + ID_TOLERANCE {
        return Some("id lies in the future");
    }
    let apart: TimeDelta = made - event.occurred_at.get();
    (apart.abs() > ID_TOLERANCE).then_some("id and occurred_at are more than a day apart")
}

#[cfg(test)]
mod tests {
    use poem_openapi::types::Example;
    use server_shared::value::Moment;
    use uuid::{NoContext, Timestamp};

    use super::*;

    fn event(made: DateTime<Utc>, occurred_at: DateTime<Utc>) -> NewAuditEvent {
        let seconds = u64::try_from(made.timestamp()).unwrap();
        let id = Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, made.timestamp_subsec_nanos()));
        NewAuditEvent { id, occurred_at: Moment::nearest(occurred_at), ..NewAuditEvent::example() }
    }

    #[test]
    fn only_ids_that_the_trail_can_order_are_stored() {
        let now = Utc::now();
        assert_eq!(fault(&event(now, now), now), None);
        assert_eq!(fault(&event(now - TimeDelta::days(400), now - TimeDelta::days(400)), now), None, "old is fine");
        assert!(fault(&event(now + TimeDelta::days(2), now + TimeDelta::days(2)), now).is_some(), "the future");
        assert!(fault(&event(now, now - TimeDelta::days(2)), now).is_some(), "two times");
        let random = NewAuditEvent { id: Uuid::new_v4(), ..event(now, now) };
        assert!(fault(&random, now).is_some(), "no time at all");
        assert!(fault(&event(now, DateTime::<Utc>::MAX_UTC), now).is_some());
    }
}
