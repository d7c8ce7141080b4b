use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use poem_openapi::types::ToJSON;
use uuid::Uuid;

use super::{
    event::FeedEntry,
    model::{CalendarEntry, CalendarFeed, CalendarSpecialty, SearchCalendar},
};
use crate::{
    database::{Across, DatabaseError, OpenReader, Tx},
    domain::{appointment::AppointmentStatus, appointment_template::Modality},
    ids::{AppointmentId, CalendarFeedId, OrganizationId, PatientId, SpecialistId, SpecialtyId, UserId},
};

/// Maximum number of appointments in a feed; the earliest ones are left out.
const MOST: i64 = 20_000;

/// Returns the entries of a calendar and its zone, in one statement. Without a `timezone` the zone is the
/// organization's.
///
/// No appointment is longer than a day, so that the index scan begins one day before the range. The planner does not
/// know the organization, whose statistics may be of a time when it had few appointments.
pub(super) async fn calendar_entries(
    reader: &mut OpenReader,
    search: &SearchCalendar,
    timezone: Option<Tz>,
) -> Result<(Tz, Vec<CalendarEntry>), DatabaseError> {
    let specialists: Vec<i64> = search.specialist_ids.iter().map(|id| id.0).collect();
    let text = |status: &AppointmentStatus| status.to_json().and_then(|text| text.as_str().map(str::to_owned));
    let statuses: Vec<String> = search.statuses.iter().filter_map(text).collect();
    let (connection, (user, organization, role, patient, specialist)) = reader.parts();
    let rows = sqlx::query!(
        r#"
        select o.timezone, a.id as "id?: AppointmentId", a.uid as "uid?", a.status as "status?: AppointmentStatus",
               a.modality as "modality?: Modality", a.specialist_id as "specialist_id?: SpecialistId",
               a.patient_id as "patient_id?: PatientId", a.specialty_id as "specialty_id?: SpecialtyId",
               a.specialty as "specialty?", a.started_at as "started_at?", a.ended_at as "ended_at?"
        from context_enter($1, $2, $3, $4, $5) as ctx
        cross join lateral (select timezone from organizations where id = $2 and ctx offset 0) o
        left join lateral (
            select a.id, a.uid, a.status, a.modality, a.specialist_id, a.patient_id, a.specialty_id, s.name as specialty,
                   a.started_at, a.ended_at
            from appointments a
            left join specialties s on s.organization_id = a.organization_id and s.id = a.specialty_id
            where a.organization_id = (select context_organization()) and a.deleted_at is null and ctx
              and a.started_at >= $6::timestamptz - interval '24 hours' and a.started_at < $7 and a.ended_at > $6
              and (cardinality($8::bigint[]) = 0 or a.specialist_id = any($8))
              and case when cardinality($9::text[]) = 0 then a.status not in ('held', 'expired') else a.status = any($9) end
              -- a hold that has run out is none, whether or not that was written down yet
              and (a.status <> 'held' or a.hold_expires_at > now())
            offset 0
        ) a on true
        order by a.started_at, a.id
        "#,
        user,
        organization,
        role,
        patient,
        specialist,
        search.from.get(),
        search.to.get(),
        &specialists,
        &statuses
    )
    .fetch_all(connection)
    .await?;
    let Some(first) = rows.first() else {
        return Err(DatabaseError::Damaged("the caller's organization does not exist".to_owned()));
    };
    let timezone = match timezone {
        Some(timezone) => timezone,
        None => first
            .timezone
            .parse()
            .map_err(|_| DatabaseError::Damaged("the timezone of an organization is invalid".to_owned()))?,
    };
    let local = |moment: DateTime<Utc>| moment.with_timezone(&timezone).fixed_offset();
    let entries = rows.into_iter().filter_map(|row| {
        let (started_at, ended_at) = (row.started_at?, row.ended_at?);
        Some(CalendarEntry {
            id: row.id?,
            uid: row.uid?,
            status: row.status?,
            modality: row.modality?,
            specialist_id: row.specialist_id?,
            patient_id: row.patient_id?,
            specialty: row.specialty_id.zip(row.specialty).map(|(id, name)| CalendarSpecialty { id, name }),
            started_at,
            ended_at,
            local_started_at: local(started_at),
            local_ended_at: local(ended_at),
        })
    });
    Ok((timezone, entries.collect()))
}

/// Reads the entries of the caller's feed: appointments from 90 days ago to 366 days ahead without holds, and, as
/// cancelled, appointments that left the caller's calendar in the last 90 days. An appointment that came back is
/// returned with its present status.
pub(super) async fn feed_entries(reader: &mut OpenReader) -> Result<Vec<FeedEntry>, DatabaseError> {
    let (connection, (user, organization, role, patient, specialist)) = reader.parts();
    let entries = sqlx::query_as!(
        FeedEntry,
        r#"
        select e.uid as "uid!: Uuid", e.status as "status!: AppointmentStatus", e.modality as "modality!: Modality",
               e.specialty as "specialty?", e.started_at as "started_at!", e.ended_at as "ended_at!",
               e.sequence as "sequence!", e.created_at as "created_at!", e.updated_at as "updated_at!"
        from context_enter($1, $2, $3, $4, $5) as ctx
        cross join lateral (
            (select a.uid, a.status, a.modality, s.name as specialty, a.started_at, a.ended_at, a.sequence, a.created_at,
                    a.updated_at
             from appointments a
             left join specialties s on s.organization_id = a.organization_id and s.id = a.specialty_id
             where a.organization_id = (select context_organization()) and a.deleted_at is null and ctx
               and a.status not in ('held', 'expired')
               and a.started_at between now() - interval '90 days' and now() + interval '366 days'
             order by a.started_at desc, a.id desc
             limit $6)
            union all
            (select d.appointment_uid, 'cancelled', d.modality, s.name, d.started_at, d.ended_at, d.sequence,
                    d.appointment_created_at, d.departed_at
             from (select distinct on (appointment_uid) *
                   from calendar_departures
                   where organization_id = $2 and ctx and departed_at > now() - interval '90 days'
                   order by appointment_uid, sequence desc, id) d
             left join specialties s on s.organization_id = d.organization_id and s.id = d.specialty_id
             where not exists (select from appointments a
                               where a.organization_id = $2 and a.uid = d.appointment_uid and a.deleted_at is null))
            order by started_at desc, uid
            limit $6
        ) e
        "#,
        user,
        organization,
        role,
        patient,
        specialist,
        MOST
    )
    .fetch_all(connection)
    .await?;
    Ok(entries)
}

/// Deletes the records of appointments that left a calendar, once no feed contains them any more, in every
/// organization; returns their number.
pub(super) async fn departures_purge(across: &Across) -> Result<u64, DatabaseError> {
    let purged = sqlx::query!("delete from calendar_departures where departed_at <= now() - interval '90 days'")
        .execute(across.pool())
        .await?;
    Ok(purged.rows_affected())
}

/// Creates the feed of a member, or replaces its token.
pub(super) async fn feed_put(
    tx: &mut impl Tx,
    organization: OrganizationId,
    user: UserId,
    token_hash: &[u8],
) -> Result<CalendarFeed, DatabaseError> {
    let feed = sqlx::query_as!(
        CalendarFeed,
        r#"
        insert into calendar_feeds (organization_id, user_id, token_hash) values ($1, $2, $3)
        on conflict (organization_id, user_id)
            do update set token_hash = excluded.token_hash, revoked_at = null, created_at = now()
        returning id as "id: CalendarFeedId", user_id as "user_id: UserId", created_at
        "#,
        organization.0,
        user.0,
        token_hash
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(feed)
}

/// Revokes a member's feed unless it is revoked already. Returns `None` if the member never had one.
pub(super) async fn feed_revoke(
    tx: &mut impl Tx,
    organization: OrganizationId,
    user: UserId,
) -> Result<Option<CalendarFeedId>, DatabaseError> {
    let id = sqlx::query_scalar!(
        r#"
        update calendar_feeds set revoked_at = coalesce(revoked_at, now())
        where organization_id = $1 and user_id = $2
        returning id as "id: CalendarFeedId"
        "#,
        organization.0,
        user.0
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(id)
}
