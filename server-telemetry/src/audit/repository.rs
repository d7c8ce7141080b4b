//! Audit trail in PostgreSQL.

use std::{collections::HashSet, net::IpAddr};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use super::model::{ActorKind, AuditFilter, AuditLog, AuditOutcome, NewAuditEvent};
use crate::text::Identifier;

type Tx<'a> = Transaction<'a, Postgres>;

/// Number of months before and after the current one for which partitions are created.
const MONTHS: (i32, i32) = (1, 3);

/// Largest difference between the time in an event's id and its own time: it turns bounds on the time into
/// bounds on the id.
pub(crate) const ID_TOLERANCE: TimeDelta = TimeDelta::days(1);

/// Creates the partitions of the coming months; returns their number.
pub(crate) async fn partitions_ensure(tx: &mut Tx<'_>) -> Result<i32, sqlx::Error> {
    let (behind, ahead) = MONTHS;
    sqlx::query_scalar!(r#"select audit.partitions_ensure($1, $2) as "made!""#, behind, ahead)
        .fetch_one(&mut **tx)
        .await
}

/// Returns the months with a partition that ended at least `kept` months ago, oldest first.
pub(super) async fn partitions_expired(tx: &mut Tx<'_>, kept: i32) -> Result<Vec<NaiveDate>, sqlx::Error> {
    sqlx::query_scalar!(r#"select audit.partitions_expired($1) as "month!""#, kept).fetch_all(&mut **tx).await
}

/// Drops the partition of a month; returns `false` if a signed head is missing for it.
pub(super) async fn partition_drop(tx: &mut Tx<'_>, month: NaiveDate) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(r#"select audit.partition_drop($1) as "dropped!""#, month).fetch_one(&mut **tx).await
}

/// Removes the links and personal values of dropped months; returns their number.
pub(super) async fn remains_drop(tx: &mut Tx<'_>, kept: i32) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"select audit.remains_drop($1) as "removed!""#, kept).fetch_one(&mut **tx).await
}

/// Stores the events with new ids in one statement, and returns those ids.
pub(crate) async fn insert(tx: &mut Tx<'_>, events: &[NewAuditEvent]) -> Result<HashSet<Uuid>, sqlx::Error> {
    // All batches use the same order: batches that share events could otherwise deadlock. Of two events with one
    // id the first counts.
    let mut events: Vec<&NewAuditEvent> = events.iter().collect();
    events.sort_by_key(|event| event.id);
    events.dedup_by_key(|event| event.id);
    let columns = Columns::of(&events);
    let stored = sqlx::query_scalar!(
        r#"with event as (
             select * from unnest(
                 $1::uuid[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[], $7::text[],
                 $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[],
                 $16::bigint[], $17::text[], $18::bigint[], $19::text[], $20::uuid[]
             ) as event(
                 id, occurred_at, organization_id, actor_user_id, actor_kind, impersonator_user_id, action,
                 entity_type, entity_id, changed_fields, request_id, outcome, operation_id, ip, user_agent,
                 actor_api_key_id, entity_ids, occurrences, error_code, client_request_id)
         ), stored as (
             insert into audit.audit_logs (
                 id, occurred_at, organization_id, actor_user_id, actor_kind, impersonator_user_id, action,
                 entity_type, entity_id, changed_fields, request_id, outcome, operation_id, actor_api_key_id,
                 entity_ids, occurrences, error_code)
             select id, occurred_at, organization_id, actor_user_id, actor_kind, impersonator_user_id, action,
                 entity_type, entity_id, string_to_array(changed_fields, ','), request_id, outcome, operation_id,
                 actor_api_key_id, string_to_array(entity_ids, ','), occurrences, error_code
             from event
             on conflict (id) do nothing
             returning id
         ), personal as (
             insert into audit.audit_personal (audit_id, organization_id, ip, user_agent, client_request_id)
             select id, organization_id, ip::inet, user_agent, client_request_id
             from event join stored using (id)
             where (ip is not null or user_agent is not null or client_request_id is not null)
               -- Of somebody who was erased, or is about to be, nothing comes back: Core may have kept
               -- the event for as long as this service was down. Who impersonates acts.
               and not exists (
                   select from privacy.erasures erasure
                   where erasure.subject_kind = 'user' and not erasure.dry_run
                     and erasure.subject_id = coalesce(event.impersonator_user_id, event.actor_user_id)
                     and (erasure.organization_id is null or erasure.organization_id = event.organization_id)
                     and event.occurred_at <= coalesce(erasure.finished_at, 'infinity'))
         )
         select id as "id!" from stored"#,
        &columns.ids,
        &columns.occurred_at,
        &columns.organization_ids,
        &columns.actor_user_ids as &[Option<i64>],
        &columns.actor_kinds as &[&str],
        &columns.impersonator_user_ids as &[Option<i64>],
        &columns.actions as &[&str],
        &columns.entity_types as &[&str],
        &columns.entity_ids as &[Option<&str>],
        &columns.changed_fields,
        &columns.request_ids as &[Option<&str>],
        &columns.outcomes as &[&str],
        &columns.operation_ids as &[Option<&str>],
        &columns.ips as &[Option<String>],
        &columns.user_agents as &[Option<&str>],
        &columns.actor_api_key_ids as &[Option<i64>],
        &columns.many_entity_ids,
        &columns.occurrences,
        &columns.error_codes as &[Option<&str>],
        &columns.client_request_ids as &[Option<Uuid>],
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(stored.into_iter().collect())
}

/// Returns one entry, if the context of the transaction shows it.
pub(super) async fn find(tx: &mut Tx<'_>, id: Uuid) -> Result<Option<AuditLog>, sqlx::Error> {
    let row = sqlx::query_as!(
        LogRow,
        r#"select log.id, log.occurred_at, log.received_at, log.organization_id, log.actor_user_id, log.actor_kind,
             log.actor_api_key_id, log.impersonator_user_id, log.action, log.entity_type, log.entity_id,
             log.entity_ids, log.changed_fields, log.request_id, log.outcome, log.operation_id, log.error_code,
             log.occurrences, host(personal.ip) as ip, personal.user_agent as "user_agent?",
             personal.client_request_id as "client_request_id?"
         from audit.audit_logs log
         left join audit.audit_personal personal on personal.audit_id = log.id
         where log.id = $1"#,
        id,
    )
    .fetch_optional(&mut **tx)
    .await?;
    Ok(row.map(AuditLog::from))
}

/// Returns a page of the trail, newest first, and one more entry if there is one.
pub(super) async fn list(tx: &mut Tx<'_>, filter: &AuditFilter) -> Result<Vec<AuditLog>, sqlx::Error> {
    // The bounds on id follow from those on occurred_at; they let PostgreSQL skip whole months.
    let rows = sqlx::query_as!(
        LogRow,
        r#"select log.id, log.occurred_at, log.received_at, log.organization_id, log.actor_user_id, log.actor_kind,
             log.actor_api_key_id, log.impersonator_user_id, log.action, log.entity_type, log.entity_id,
             log.entity_ids, log.changed_fields, log.request_id, log.outcome, log.operation_id, log.error_code,
             log.occurrences, host(personal.ip) as ip, personal.user_agent as "user_agent?",
             personal.client_request_id as "client_request_id?"
         from audit.audit_logs log
         left join audit.audit_personal personal on personal.audit_id = log.id
         where ($1::bigint is null or log.organization_id = $1)
           and ($2::timestamptz is null or log.occurred_at >= $2)
           and ($3::timestamptz is null or log.occurred_at < $3)
           and ($4::bigint is null or log.actor_user_id = $4)
           and ($5::text is null or log.action = $5)
           and ($6::text is null or log.entity_type = $6)
           and ($7::text is null or log.entity_id = $7)
           and ($8::text is null or log.request_id = $8)
           and ($9::uuid is null or log.id < $9)
           and ($10::uuid is null or log.id >= $10)
           and ($11::uuid is null or log.id < $11)
           and ($13::uuid is null or personal.client_request_id = $13)
         order by log.id desc
         limit $12"#,
        filter.organization_id,
        filter.from,
        filter.to,
        filter.actor_user_id,
        filter.action,
        filter.entity_type,
        filter.entity_id,
        filter.request_id,
        filter.cursor,
        filter.from.and_then(|from| id_floor(from.checked_sub_signed(ID_TOLERANCE)?)),
        filter.to.and_then(|to| id_floor(to.checked_add_signed(ID_TOLERANCE)?)),
        filter.paging.limit() + 1,
        filter.client_request_id,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(AuditLog::from).collect())
}

/// Returns the least UUIDv7 of a moment; `None` if no UUIDv7 can hold it.
fn id_floor(moment: DateTime<Utc>) -> Option<Uuid> {
    let milliseconds = u64::try_from(moment.timestamp_millis()).ok().filter(|ms| ms >> 48 == 0)?;
    Some(Uuid::from_u128(u128::from(milliseconds) << 80))
}

/// Events by column, as `unnest` takes them.
struct Columns<'a> {
    ids: Vec<Uuid>,
    occurred_at: Vec<DateTime<Utc>>,
    organization_ids: Vec<i64>,
    actor_user_ids: Vec<Option<i64>>,
    actor_kinds: Vec<&'a str>,
    impersonator_user_ids: Vec<Option<i64>>,
    actions: Vec<&'a str>,
    entity_types: Vec<&'a str>,
    entity_ids: Vec<Option<&'a str>>,
    /// Joined by commas, which no name contains, because `unnest` would flatten lists of lists.
    changed_fields: Vec<String>,
    request_ids: Vec<Option<&'a str>>,
    outcomes: Vec<&'a str>,
    operation_ids: Vec<Option<&'a str>>,
    ips: Vec<Option<String>>,
    user_agents: Vec<Option<&'a str>>,
    actor_api_key_ids: Vec<Option<i64>>,
    /// Joined by commas, too.
    many_entity_ids: Vec<String>,
    occurrences: Vec<i64>,
    error_codes: Vec<Option<&'a str>>,
    client_request_ids: Vec<Option<Uuid>>,
}

impl<'a> Columns<'a> {
    fn of(events: &[&'a NewAuditEvent]) -> Self {
        fn column<'a, T>(events: &[&'a NewAuditEvent], value: impl Fn(&'a NewAuditEvent) -> T) -> Vec<T> {
            events.iter().copied().map(value).collect()
        }
        let joined = |texts: &'a [Identifier]| texts.iter().map(AsRef::as_ref).collect::<Vec<&str>>().join(",");
        Self {
            ids: column(events, |event| event.id),
            occurred_at: column(events, |event| event.occurred_at.get()),
            organization_ids: column(events, |event| event.organization_id),
            actor_user_ids: column(events, |event| event.actor_user_id),
            actor_kinds: column(events, |event| event.actor_kind.as_str()),
            impersonator_user_ids: column(events, |event| event.impersonator_user_id),
            actions: column(events, |event| event.action.as_ref()),
            entity_types: column(events, |event| event.entity_type.as_ref()),
            entity_ids: column(events, |event| event.entity_id.as_ref().map(AsRef::as_ref)),
            changed_fields: column(events, |event| joined(&event.changed_fields)),
            request_ids: column(events, |event| event.request_id.as_ref().map(AsRef::as_ref)),
            outcomes: column(events, |event| event.outcome.as_str()),
            operation_ids: column(events, |event| event.operation_id.as_ref().map(AsRef::as_ref)),
            // An invalid address is left out, so that the event itself is not lost.
            ips: column(events, |event| {
                let ip = event.ip.as_ref()?.as_ref().parse::<IpAddr>().ok()?;
                Some(ip.to_string())
            }),
            user_agents: column(events, |event| event.user_agent.as_ref().map(|agent| start(agent.as_ref()))),
            actor_api_key_ids: column(events, |event| event.actor_api_key_id),
            many_entity_ids: column(events, |event| joined(&event.entity_ids)),
            occurrences: column(events, |event| event.occurrences),
            error_codes: column(events, |event| event.error_code.as_ref().map(AsRef::as_ref)),
            client_request_ids: column(events, |event| event.client_request_id),
        }
    }
}

/// Number of characters of a user agent that are kept; genuine ones are shorter.
const USER_AGENT_KEPT: usize = 1_024;

fn start(user_agent: &str) -> &str {
    user_agent.char_indices().nth(USER_AGENT_KEPT).map_or(user_agent, |(end, _)| &user_agent[..end])
}

struct LogRow {
    id: Uuid,
    occurred_at: DateTime<Utc>,
    received_at: DateTime<Utc>,
    organization_id: i64,
    actor_user_id: Option<i64>,
    actor_kind: String,
    actor_api_key_id: Option<i64>,
    impersonator_user_id: Option<i64>,
    action: String,
    entity_type: String,
    entity_id: Option<String>,
    entity_ids: Vec<String>,
    changed_fields: Vec<String>,
    request_id: Option<String>,
    outcome: String,
    operation_id: Option<String>,
    error_code: Option<String>,
    occurrences: i64,
    ip: Option<String>,
    user_agent: Option<String>,
    client_request_id: Option<Uuid>,
}

impl From<LogRow> for AuditLog {
    fn from(row: LogRow) -> Self {
        Self {
            id: row.id,
            occurred_at: row.occurred_at,
            received_at: row.received_at,
            organization_id: row.organization_id,
            actor_user_id: row.actor_user_id,
            actor_kind: ActorKind::from_column(&row.actor_kind),
            actor_api_key_id: row.actor_api_key_id,
            impersonator_user_id: row.impersonator_user_id,
            action: row.action,
            entity_type: row.entity_type,
            entity_id: row.entity_id,
            entity_ids: row.entity_ids,
            changed_fields: row.changed_fields,
            request_id: row.request_id,
            outcome: AuditOutcome::from_column(&row.outcome),
            operation_id: row.operation_id,
            error_code: row.error_code,
            occurrences: row.occurrences,
            ip: row.ip,
            user_agent: row.user_agent,
            client_request_id: row.client_request_id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_user_agents_are_cut_between_characters() {
        assert_eq!(start("Firefox"), "Firefox");
        assert_eq!(start(&"ß".repeat(2_000)), "ß".repeat(1_024));
    }

    #[test]
    fn bounds_hold_every_id_of_their_millisecond() {
        let moment = DateTime::from_timestamp_millis(1_762_765_200_123).unwrap();
        let floor = id_floor(moment).unwrap();
        let id = Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, 1_762_765_200, 123_000_000));
        assert!(floor <= id && id < id_floor(moment + TimeDelta::milliseconds(1)).unwrap());
        assert_eq!(id_floor(DateTime::<Utc>::MIN_UTC), None);
        assert_eq!(
            id_floor(DateTime::<Utc>::MAX_UTC).is_some(),
            DateTime::<Utc>::MAX_UTC.timestamp_millis() >> 48 == 0
        );
    }
}
