//! Sightings and security events in PostgreSQL.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use super::{
    model::{SecurityEvent, SecurityEventDetails, SecurityFilter, SecuritySeverity},
    sighting::{Candidate, Sighting},
};
use crate::config::SecurityConfig;

type Tx<'a> = Transaction<'a, Postgres>;

/// Maximum number of sightings of a subject that a judgement looks at: the latest ones.
const MOST_SIGHTINGS: i64 = 5_000;

/// Security event that has just been detected.
pub(super) struct Noticed {
    pub id: Uuid,
    pub organization_id: i64,
    pub kind: String,
    pub severity: String,
}

/// Makes this transaction the only one that judges these subjects. Subjects share a small number of locks,
/// taken in one order: a batch needs no more of them, and two batches cannot deadlock.
pub(super) async fn subjects_lock(tx: &mut Tx<'_>, sightings: &[Sighting]) -> Result<(), sqlx::Error> {
    let subjects: Vec<String> =
        sightings.iter().map(|seen| format!("{}:{}:{}", seen.organization_id, seen.rule.kind, seen.subject)).collect();
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended('security.subjects', slot)) from (
             select distinct hashtextextended(subject, 0) & 63 as slot from unnest($1::text[]) subject order by 1
         ) slots",
        &subjects,
    )
    .fetch_all(&mut **tx)
    .await
    .map(drop)
}

/// Stores sightings except those of an object that was sighted within the same window; keeps the stored ones in
/// `sightings`.
pub(super) async fn sightings_add(
    tx: &mut Tx<'_>,
    sightings: &mut Vec<Sighting>,
    config: &SecurityConfig,
) -> Result<(), sqlx::Error> {
    let organizations: Vec<i64> = sightings.iter().map(|seen| seen.organization_id).collect();
    let kinds: Vec<&str> = sightings.iter().map(|seen| seen.rule.kind).collect();
    let subjects: Vec<&str> = sightings.iter().map(|seen| seen.subject.as_str()).collect();
    let objects: Vec<&str> = sightings.iter().map(|seen| seen.object.as_str()).collect();
    let moments: Vec<DateTime<Utc>> = sightings.iter().map(|seen| seen.seen_at).collect();
    let audit_ids: Vec<Uuid> = sightings.iter().map(|seen| seen.audit_id).collect();
    let weights: Vec<i64> = sightings.iter().map(|seen| seen.weight).collect();
    let windows: Vec<i64> = sightings.iter().map(|seen| seen.rule.measure(config).1).collect();
    let new = sqlx::query!(
        "insert into security.sightings (organization_id, kind, subject, object, seen_at, audit_id, weight)
         select seen.organization_id, seen.kind, seen.subject, seen.object, seen.seen_at, seen.audit_id, seen.weight
         from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::uuid[], $7::bigint[],
                     $8::bigint[])
             as seen(organization_id, kind, subject, object, seen_at, audit_id, weight, window_seconds)
         where seen.object = '' or not exists (
             select from security.sightings known
             where known.organization_id = seen.organization_id and known.kind = seen.kind
               and known.subject = seen.subject and known.object = seen.object and known.object <> ''
               and known.seen_at > seen.seen_at - make_interval(secs => seen.window_seconds)
               and known.seen_at < seen.seen_at + make_interval(secs => seen.window_seconds))
         on conflict do nothing
         returning kind, audit_id, object",
        &organizations,
        &kinds as &[&str],
        &subjects as &[&str],
        &objects as &[&str],
        &moments,
        &audit_ids,
        &weights,
        &windows,
    )
    .fetch_all(&mut **tx)
    .await?;
    let new: HashSet<(&str, Uuid, &str)> =
        new.iter().map(|row| (row.kind.as_str(), row.audit_id, row.object.as_str())).collect();
    sightings.retain(|seen| new.contains(&(seen.rule.kind, seen.audit_id, seen.object.as_str())));
    Ok(())
}

/// Extends the events that go on, and inserts the new ones; returns the new ones.
///
/// An event goes on while its subject has not been quiet for a window. A new event is due where the sightings
/// within any one window reach the threshold.
pub(super) async fn judge(
    tx: &mut Tx<'_>,
    candidates: &[Candidate],
    config: &SecurityConfig,
) -> Result<Vec<Noticed>, sqlx::Error> {
    let columns = Columns::of(candidates, config);
    sqlx::query_as!(
        Noticed,
        "with candidate as (
             select id, organization_id, kind, subject, severity, actor_user_id, actor_api_key_id, threshold,
                 window_seconds, make_interval(secs => window_seconds) as span, weight, first_seen_at, last_seen_at,
                 string_to_array(audit_ids, ',')::uuid[] as audit_ids
             from unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
                         $8::bigint[], $9::bigint[], $10::bigint[], $11::timestamptz[], $12::timestamptz[],
                         $13::text[])
                 as candidate(id, organization_id, kind, subject, severity, actor_user_id, actor_api_key_id,
                              threshold, window_seconds, weight, first_seen_at, last_seen_at, audit_ids)
         ), counted as (
             update security.security_events event
             set first_seen_at = least(event.first_seen_at, candidate.first_seen_at),
                 last_seen_at = greatest(event.last_seen_at, candidate.last_seen_at),
                 occurrences = event.occurrences + candidate.weight,
                 audit_ids = (candidate.audit_ids || event.audit_ids)[:20]
             from candidate
             where event.id = (
                 select open.id from security.security_events open
                 where open.organization_id = candidate.organization_id and open.kind = candidate.kind
                   and open.subject = candidate.subject
                   and open.last_seen_at >= candidate.first_seen_at - candidate.span
                   and open.first_seen_at <= candidate.last_seen_at + candidate.span
                 order by open.last_seen_at desc
                 limit 1)
             returning candidate.id
         )
         insert into security.security_events (
             id, organization_id, kind, severity, subject, actor_user_id, actor_api_key_id, first_seen_at,
             last_seen_at, occurrences, threshold, window_seconds, audit_ids)
         select candidate.id, candidate.organization_id, candidate.kind, candidate.severity, candidate.subject,
             candidate.actor_user_id, candidate.actor_api_key_id, seen.first_seen_at, seen.last_seen_at,
             seen.occurrences, candidate.threshold, candidate.window_seconds, seen.audit_ids
         from candidate
         cross join lateral (
             with level as (
                 select seen_at, audit_id, weight,
                     sum(weight) over (order by seen_at range between candidate.span preceding and current row)
                         as reached
                 from (select sighting.seen_at, sighting.audit_id, sighting.weight
                       from security.sightings sighting
                       where sighting.organization_id = candidate.organization_id
                         and sighting.kind = candidate.kind and sighting.subject = candidate.subject
                         and sighting.seen_at between candidate.first_seen_at - candidate.span
                             and candidate.last_seen_at + candidate.span
                       order by sighting.seen_at desc
                       limit $14) latest
             ), part as (
                 select seen_at, audit_id, weight from level
                 where seen_at >= (select min(seen_at) from level where reached >= candidate.threshold)
                     - candidate.span
             )
             select min(seen_at) as first_seen_at, max(seen_at) as last_seen_at, sum(weight)::bigint as occurrences,
                 array(select audit_id from part group by audit_id order by max(seen_at) desc, audit_id desc limit 20)
                     as audit_ids
             from part
         ) seen
         where seen.occurrences is not null and not exists (select from counted where counted.id = candidate.id)
         returning id, organization_id, kind, severity",
        &columns.ids,
        &columns.organization_ids,
        &columns.kinds as &[&str],
        &columns.subjects as &[&str],
        &columns.severities as &[&str],
        &columns.actor_user_ids as &[Option<i64>],
        &columns.actor_api_key_ids as &[Option<i64>],
        &columns.thresholds,
        &columns.windows,
        &columns.weights,
        &columns.first_seen_at,
        &columns.last_seen_at,
        &columns.audit_ids,
        MOST_SIGHTINGS,
    )
    .fetch_all(&mut **tx)
    .await
}

/// Returns a page of security events, newest first, and one more if there is one.
pub(super) async fn list(tx: &mut Tx<'_>, filter: &SecurityFilter) -> Result<Vec<SecurityEvent>, sqlx::Error> {
    let rows = sqlx::query!(
        "select id, organization_id, kind, severity, actor_user_id, actor_api_key_id, first_seen_at, last_seen_at,
             occurrences, threshold, window_seconds, audit_ids
         from security.security_events
         where ($1::bigint is null or organization_id = $1)
           and ($2::timestamptz is null or last_seen_at >= $2)
           and ($3::timestamptz is null or first_seen_at < $3)
           and ($4::text is null or kind = $4)
           and ($5::text is null or severity = $5)
           and ($6::uuid is null or id < $6)
         order by id desc
         limit $7",
        filter.organization_id,
        filter.from,
        filter.to,
        filter.kind,
        filter.severity.map(SecuritySeverity::as_str),
        filter.cursor,
        filter.paging.limit() + 1,
    )
    .fetch_all(&mut **tx)
    .await?;
    let events = rows.into_iter().map(|row| SecurityEvent {
        id: row.id,
        organization_id: row.organization_id,
        kind: row.kind,
        severity: row.severity,
        actor_user_id: row.actor_user_id,
        actor_api_key_id: row.actor_api_key_id,
        first_seen_at: row.first_seen_at,
        last_seen_at: row.last_seen_at,
        occurrences: row.occurrences,
        details: SecurityEventDetails { threshold: row.threshold, window_seconds: row.window_seconds },
        audit_ids: row.audit_ids,
    });
    Ok(events.collect())
}

/// Deletes the sightings that are older than every window; returns their number.
pub(super) async fn sightings_sweep(tx: &mut Tx<'_>, kept_seconds: i64) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        "delete from security.sightings where stored_at < now() - make_interval(secs => $1::bigint)",
        kept_seconds,
    )
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// Deletes the security events that were last observed before the months of the trail that are kept.
pub(super) async fn events_sweep(tx: &mut Tx<'_>, months: i32) -> Result<u64, sqlx::Error> {
    let done = sqlx::query!(
        "delete from security.security_events
         where last_seen_at < (date_trunc('month', now() at time zone 'UTC') - make_interval(months => $1))
             at time zone 'UTC'",
        months,
    )
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// Candidates by column, as `unnest` takes them.
struct Columns<'a> {
    ids: Vec<Uuid>,
    organization_ids: Vec<i64>,
    kinds: Vec<&'static str>,
    subjects: Vec<&'a str>,
    severities: Vec<&'static str>,
    actor_user_ids: Vec<Option<i64>>,
    actor_api_key_ids: Vec<Option<i64>>,
    thresholds: Vec<i64>,
    windows: Vec<i64>,
    weights: Vec<i64>,
    first_seen_at: Vec<DateTime<Utc>>,
    last_seen_at: Vec<DateTime<Utc>>,
    /// Joined by commas: `unnest` would flatten lists of lists.
    audit_ids: Vec<String>,
}

impl<'a> Columns<'a> {
    fn of(candidates: &'a [Candidate], config: &SecurityConfig) -> Self {
        fn column<'a, T>(candidates: &'a [Candidate], value: impl Fn(&'a Candidate) -> T) -> Vec<T> {
            candidates.iter().map(value).collect()
        }
        let joined = |ids: &[Uuid]| ids.iter().map(Uuid::to_string).collect::<Vec<_>>().join(",");
        Self {
            ids: column(candidates, |candidate| candidate.id),
            organization_ids: column(candidates, |candidate| candidate.organization_id),
            kinds: column(candidates, |candidate| candidate.rule.kind),
            subjects: column(candidates, |candidate| candidate.subject.as_str()),
            severities: column(candidates, |candidate| candidate.rule.severity.as_str()),
            actor_user_ids: column(candidates, Candidate::user),
            actor_api_key_ids: column(candidates, Candidate::api_key),
            thresholds: column(candidates, |candidate| candidate.rule.measure(config).0),
            windows: column(candidates, |candidate| candidate.rule.measure(config).1),
            weights: column(candidates, |candidate| candidate.weight),
            first_seen_at: column(candidates, |candidate| candidate.first_seen_at),
            last_seen_at: column(candidates, |candidate| candidate.last_seen_at),
            audit_ids: column(candidates, |candidate| joined(&candidate.audit_ids)),
        }
    }
}
