//! Chains in PostgreSQL.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use super::{
    canonical::{Event, Hash},
    link::{Head, Link, Tip, Waiting},
};

type Tx<'a> = Transaction<'a, Postgres>;

/// Returns the organizations with waiting events. Steps through the index from one organization to the next,
/// however many events wait.
pub(super) async fn organizations_waiting(tx: &mut Tx<'_>) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"with recursive organization(id) as (
             (select organization_id from audit.audit_pending order by organization_id limit 1)
             union all
             select (select pending.organization_id from audit.audit_pending pending
                     where pending.organization_id > organization.id
                     order by pending.organization_id limit 1)
             from organization where organization.id is not null
         )
         select id as "id!" from organization where id is not null"#
    )
    .fetch_all(&mut **tx)
    .await
}

/// Makes this transaction the only one that writes to the chain; returns `false` if another one is.
pub(super) async fn chain_try_lock(tx: &mut Tx<'_>, organization_id: i64) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select pg_try_advisory_xact_lock(hashtextextended(format('audit.chain:%s', $1::bigint), 0)) as "locked!""#,
        organization_id,
    )
    .fetch_one(&mut **tx)
    .await
}

/// Like [`chain_try_lock`], but waits for the lock.
pub(in crate::audit) async fn chain_lock(tx: &mut Tx<'_>, organization_id: i64) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended(format('audit.chain:%s', $1::bigint), 0))",
        organization_id,
    )
    .fetch_one(&mut **tx)
    .await
    .map(drop)
}

/// Returns the events that wait for their link, in the order of arrival. Ignores events that have vanished
/// since, which `verify` finds.
pub(super) async fn waiting(tx: &mut Tx<'_>, organization_id: i64, most: i64) -> Result<Vec<Waiting>, sqlx::Error> {
    sqlx::query_as!(
        Waiting,
        "select pending.arrival, pending.audit_id from audit.audit_pending pending
         where pending.organization_id = $1
           and exists (select from audit.audit_logs log
                       where log.id = pending.audit_id and log.organization_id = $1)
         order by pending.arrival
         limit $2",
        organization_id,
        most,
    )
    .fetch_all(&mut **tx)
    .await
}

/// Returns the number of waiting events.
pub(super) async fn waiting_count(tx: &mut Tx<'_>, organization_id: i64) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from audit.audit_pending where organization_id = $1"#,
        organization_id,
    )
    .fetch_one(&mut **tx)
    .await
}

/// Returns these events, with the personal values that are not erased.
pub(super) async fn events(
    tx: &mut Tx<'_>,
    organization_id: i64,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Event>, sqlx::Error> {
    let events = sqlx::query_as!(
        Event,
        r#"select log.id, log.organization_id, log.occurred_at, log.received_at, log.actor_kind, log.actor_user_id,
             log.actor_api_key_id, log.impersonator_user_id, log.action, log.entity_type, log.entity_id,
             log.entity_ids, log.changed_fields, log.request_id, log.operation_id, log.outcome, log.error_code,
             log.occurrences, personal.salt as "salt?", host(personal.ip) as ip, personal.user_agent as "user_agent?",
             personal.client_request_id as "client_request_id?"
         from audit.audit_logs log
         left join audit.audit_personal personal on personal.audit_id = log.id
         where log.id = any($1) and log.id between $2 and $3 and log.organization_id = $4"#,
        ids,
        // Follows from the ids; lets PostgreSQL skip the months that hold none of them.
        ids.iter().min().copied(),
        ids.iter().max().copied(),
        organization_id,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(events.into_iter().map(|event| (event.id, event)).collect())
}

/// Returns the end of the chain, or its beginning if it has no link.
pub(super) async fn tip(tx: &mut Tx<'_>, organization_id: i64) -> Result<Option<Tip>, sqlx::Error> {
    sqlx::query_as!(
        Tip,
        r#"select position as "position!", hash as "hash!: Hash", sealed_at, audit_id from (
             (select position, hash, sealed_at, audit_id from audit.audit_chain
              where organization_id = $1 order by position desc limit 1)
             union all
             select position, hash, null, null from audit.audit_starts where organization_id = $1
         ) tip
         order by position desc, sealed_at nulls last limit 1"#,
        organization_id,
    )
    .fetch_optional(&mut **tx)
    .await
}

/// Returns the beginning of the chain if months of it were dropped.
pub(super) async fn start(tx: &mut Tx<'_>, organization_id: i64) -> Result<Option<Tip>, sqlx::Error> {
    sqlx::query_as!(
        Tip,
        r#"select position, hash as "hash: Hash", null::timestamptz as sealed_at, null::uuid as audit_id
         from audit.audit_starts where organization_id = $1"#,
        organization_id,
    )
    .fetch_optional(&mut **tx)
    .await
}

/// Returns one link.
pub(super) async fn link(tx: &mut Tx<'_>, organization_id: i64, position: i64) -> Result<Option<Link>, sqlx::Error> {
    Ok(links_after(tx, organization_id, position - 1, 1).await?.pop().filter(|link| link.position == position))
}

/// Returns the links after a position, in their order.
pub(super) async fn links_after(
    tx: &mut Tx<'_>,
    organization_id: i64,
    position: i64,
    most: i64,
) -> Result<Vec<Link>, sqlx::Error> {
    sqlx::query_as!(
        Link,
        r#"select position, audit_id, previous as "previous: Hash", hash as "hash: Hash", ip_digest as "ip_digest: Hash",
             user_agent_digest as "user_agent_digest: Hash", client_request_id_digest as "client_request_id_digest: Hash",
             encoding
         from audit.audit_chain
         where organization_id = $1 and position > $2
         order by position
         limit $3"#,
        organization_id,
        position,
        most,
    )
    .fetch_all(&mut **tx)
    .await
}

/// Returns those of these events whose month was dropped.
pub(super) async fn dropped(tx: &mut Tx<'_>, ids: &[Uuid]) -> Result<HashSet<Uuid>, sqlx::Error> {
    let dropped = sqlx::query_scalar!(
        r#"select event.id as "id!" from unnest($1::uuid[]) as event(id)
         where to_regclass('audit.audit_logs_' || to_char(uuid_extract_timestamp(event.id) at time zone 'UTC', 'YYYYMM'))
             is null"#,
        ids,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(dropped.into_iter().collect())
}

/// Adds links, and removes the sealed events from the waiting ones; `arrivals` are their numbers in the order
/// of arrival.
pub(super) async fn links_add(
    tx: &mut Tx<'_>,
    organization_id: i64,
    links: &[Link],
    arrivals: &[i64],
    not_before: Option<DateTime<Utc>>,
) -> Result<u64, sqlx::Error> {
    let positions: Vec<i64> = links.iter().map(|link| link.position).collect();
    let ids: Vec<Uuid> = links.iter().map(|link| link.audit_id).collect();
    let previous: Vec<Hash> = links.iter().map(|link| link.previous).collect();
    let hashes: Vec<Hash> = links.iter().map(|link| link.hash).collect();
    let ips: Vec<Option<Hash>> = links.iter().map(|link| link.ip_digest).collect();
    let agents: Vec<Option<Hash>> = links.iter().map(|link| link.user_agent_digest).collect();
    let clients: Vec<Option<Hash>> = links.iter().map(|link| link.client_request_id_digest).collect();
    let encodings: Vec<i16> = links.iter().map(|link| link.encoding).collect();
    let done = sqlx::query!(
        "with sealed as (
             insert into audit.audit_chain
                 (organization_id, position, audit_id, previous, hash, ip_digest, user_agent_digest,
                  client_request_id_digest, encoding, sealed_at)
             select $1, link.position, link.audit_id, link.previous, link.hash, link.ip_digest, link.user_agent_digest,
                 link.client_request_id_digest, link.encoding,
                 -- Once for all of them; a clock that was set back doesn't turn the days around.
                 (select greatest(clock_timestamp(), $10::timestamptz))
             from unnest($2::bigint[], $3::uuid[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bytea[],
                     $9::smallint[])
                 as link(position, audit_id, previous, hash, ip_digest, user_agent_digest, client_request_id_digest, encoding)
         )
         delete from audit.audit_pending where organization_id = $1 and arrival = any($11)",
        organization_id,
        &positions,
        &ids,
        &previous as &[Hash],
        &hashes as &[Hash],
        &ips as &[Option<Hash>],
        &agents as &[Option<Hash>],
        &clients as &[Option<Hash>],
        &encodings,
        not_before,
        arrivals,
    )
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected())
}

/// Returns the signed heads at or after a position, in their order.
pub(super) async fn heads_from(tx: &mut Tx<'_>, organization_id: i64, position: i64) -> Result<Vec<Head>, sqlx::Error> {
    sqlx::query_as!(
        Head,
        r#"select organization_id, day, position, audit_id, hash as "hash: Hash", signed_at, kid, statement
         from audit.audit_heads
         where organization_id = $1 and position >= $2
         order by position, day"#,
        organization_id,
        position,
    )
    .fetch_all(&mut **tx)
    .await
}

/// Returns an event that neither has a link nor waits for one.
pub(super) async fn unsealed(tx: &mut Tx<'_>, organization_id: i64) -> Result<Option<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "select log.id from audit.audit_logs log
         where log.organization_id = $1
           and not exists (select from audit.audit_chain link
                           where link.organization_id = $1 and link.audit_id = log.id)
           and not exists (select from audit.audit_pending pending
                           where pending.organization_id = $1 and pending.audit_id = log.id)
         order by log.id
         limit 1",
        organization_id,
    )
    .fetch_optional(&mut **tx)
    .await
}

/// Returns an event that waits for its link but is not in the trail.
pub(super) async fn vanished(tx: &mut Tx<'_>, organization_id: i64) -> Result<Option<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "select pending.audit_id from audit.audit_pending pending
         where pending.organization_id = $1
           and not exists (select from audit.audit_logs log
                           where log.id = pending.audit_id and log.organization_id = $1)
         order by pending.arrival
         limit 1",
        organization_id,
    )
    .fetch_optional(&mut **tx)
    .await
}

/// Returns the organizations that have a chain.
pub(in crate::audit) async fn organizations_chained(tx: &mut Tx<'_>) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"with recursive organization(id) as (
             (select organization_id from audit.audit_chain order by organization_id limit 1)
             union all
             select (select link.organization_id from audit.audit_chain link
                     where link.organization_id > organization.id
                     order by link.organization_id limit 1)
             from organization where organization.id is not null
         )
         select id as "id!" from organization where id is not null"#
    )
    .fetch_all(&mut **tx)
    .await
}

/// Returns the last link of each past day (UTC) that has links but no head yet.
pub(in crate::audit) async fn days_unsigned(
    tx: &mut Tx<'_>,
    organization_id: i64,
) -> Result<Vec<(NaiveDate, i64, Uuid, Hash)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select distinct on (1) (sealed_at at time zone 'UTC')::date as "day!", position, audit_id, hash as "hash: Hash"
         from audit.audit_chain
         where organization_id = $1
           and position > coalesce((select max(position) from audit.audit_heads where organization_id = $1), 0)
           and sealed_at < date_trunc('day', clock_timestamp() at time zone 'UTC') at time zone 'UTC'
         order by 1, position desc"#,
        organization_id,
    )
    .fetch_all(&mut **tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.day, row.position, row.audit_id, row.hash)).collect())
}
