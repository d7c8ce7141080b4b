//! A series changes, or is called off: as a whole, from one appointment on, or one appointment alone.

use std::{collections::BTreeSet, ops::Range};

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::{
    super::{
        booking,
        error::AppointmentError,
        model::Appointment,
        reschedule,
        service::{Service, check_own, check_period, rooms_follow},
        status::AppointmentStatus,
        transition::{Block, Standing, appointments_cancel},
    },
    clock,
    model::{
        AppointmentSeries, AppointmentSeriesResult, CancelAppointmentSeries, ConflictReason, OnConflict,
        SeriesConflict, SeriesScope, UpdateAppointmentSeries,
    },
    plan::{self, Wish},
    repository::{self, Change, SeriesRow},
    service::{obstacle, unknown_specialty},
};
use crate::{
    audit::Audit,
    database::{DatabaseError, Lock, WriteTx},
    domain::{availability, rules::InvalidValue, waitlist::enqueue_offers},
    http::Caller,
    ids::{AppointmentId, AppointmentSeriesId, OrganizationId, SpecialistId},
};

impl Service {
    /// Changes appointments of a series as one of them changes; with [`OnConflict::Skip`] as far as that can be.
    pub(super) async fn series_update(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: AppointmentSeriesId,
        scope: SeriesScope,
        on_conflict: OnConflict,
        change: &UpdateAppointmentSeries,
    ) -> Result<AppointmentSeriesResult, AppointmentError> {
        let now = Utc::now();
        check_period(change.started_at, change.ended_at, now)?;
        check_own(caller, change.specialist_id)?;
        let (mut tx, series, standings) = self.series_locked(caller, id, Some(change.specialist_id)).await?;
        if series.version != change.version {
            return Err(AppointmentError::StaleVersion { current: series.version });
        }
        let anchor = anchor_of(&standings, change.appointment_id)?;
        if !anchor.status.is_booked() {
            let to = AppointmentStatus::Scheduled;
            return Err(AppointmentError::InvalidTransition { from: anchor.status, to });
        }
        if let Some(specialty) = change.specialty_id
            && change.specialty_id != anchor.specialty_id
            && !repository::specialty_is_in_use(&mut tx, organization, specialty).await?
        {
            return Err(unknown_specialty().into());
        }

        let zone = zone_of(&series)?;
        let chosen: Vec<_> = chosen(&standings, scope, Some(anchor), now).collect();
        let wanted: Vec<_> = chosen.iter().map(|standing| changed(standing, anchor, change, zone)).collect();
        let (conflicts, expired) = fit(&mut tx, organization, &series, &chosen, &wanted).await?;
        let mut changes = Vec::with_capacity(wanted.len());
        let mut skipped = Vec::new();
        for ((wanted, _), reason) in wanted.into_iter().zip(conflicts) {
            match reason {
                None => changes.push(wanted),
                Some(reason) => {
                    let Change { id, started_at, ended_at, .. } = wanted;
                    skipped.push(SeriesConflict { appointment_id: Some(id), started_at, ended_at, reason });
                }
            }
        }
        skipped.sort_unstable_by_key(|conflict| conflict.started_at);
        if !skipped.is_empty() && (on_conflict == OnConflict::Fail || changes.is_empty()) {
            return Err(AppointmentError::SeriesConflict(skipped));
        }

        let done = repository::appointments_change(&mut tx, &changes).await?;
        reschedule::record(&mut tx, &chosen, caller.user_id).await?;
        rooms_follow(&mut tx, &done).await?;
        enqueue_offers(&mut tx, left(&chosen, &done)).await?;
        let (title, specialist) = match scope {
            SeriesScope::All => (Some(change.title.as_str()), Some(change.specialist_id)),
            SeriesScope::One | SeriesScope::Following => (None, None),
        };
        repository::series_touch(&mut tx, id, title, specialist).await?;
        let series = repository::series_read(&mut tx, id).await?;
        let fields = vec!["title", "started_at", "ended_at", "specialist_id", "specialty_id"];
        let each: Vec<_> = done.iter().map(|appointment| Audit::updated(appointment, fields.clone())).collect();
        tx.commit(Audit::updated(&series, fields).and(each).and(expired)).await?;
        Ok(AppointmentSeriesResult { series, skipped })
    }

    /// Calls off appointments of a series that are still to come.
    pub(super) async fn series_cancel(
        &self,
        caller: &Caller,
        id: AppointmentSeriesId,
        scope: SeriesScope,
        cancel: &CancelAppointmentSeries,
    ) -> Result<AppointmentSeries, AppointmentError> {
        let anchor = cancel.anchor(scope)?;
        let (mut tx, _, standings) = self.series_locked(caller, id, None).await?;
        let anchor = anchor.map(|id| anchor_of(&standings, id)).transpose()?;
        let ids: Vec<_> = chosen(&standings, scope, anchor, Utc::now()).map(|standing| standing.id).collect();
        if ids.is_empty() {
            return Err(match anchor.filter(|_| scope == SeriesScope::One).map(|standing| standing.status) {
                Some(from) if from != AppointmentStatus::Cancelled => {
                    AppointmentError::InvalidTransition { from, to: AppointmentStatus::Cancelled }
                }
                _ => AppointmentError::AlreadyCancelled,
            });
        }
        let done = appointments_cancel(&mut tx, &ids, cancel.reason).await?;
        rooms_follow(&mut tx, &done).await?;
        let freed: BTreeSet<_> = done.iter().map(|cancelled| cancelled.specialist_id).collect();
        enqueue_offers(&mut tx, freed).await?;
        repository::series_touch(&mut tx, id, None, None).await?;
        let series = repository::series_read(&mut tx, id).await?;
        let each: Vec<_> = done.iter().map(|appointment| Audit::action("cancelled", appointment)).collect();
        tx.commit(Audit::action("cancelled", &series).and(each)).await?;
        Ok(series)
    }

    /// Opens a transaction for a change of a series: with the locks that bookings of its patient, of everybody
    /// who treats in it and of `also` take, and the rows locked. It is here as for one appointment, see
    /// [`Service::locked`].
    async fn series_locked(
        &self,
        caller: &Caller,
        id: AppointmentSeriesId,
        also: Option<SpecialistId>,
    ) -> Result<(WriteTx, SeriesRow, Vec<Standing>), AppointmentError> {
        let seen = self.series_get(caller, id).await?;
        let organization = seen.organization_id;
        let mut specialists: BTreeSet<_> =
            seen.appointments.iter().map(|appointment| appointment.specialist_id).collect();
        specialists.extend(also);
        let mut locks = vec![Lock::Patient(organization, seen.patient_id)];
        locks.extend(specialists.iter().map(|&id| Lock::Specialist(organization, id)));
        let mut tx = self.database.write_locked(caller, locks).await?;
        let series = repository::series_lock(&mut tx, id).await?.ok_or(AppointmentError::SeriesNotFound)?;
        let standings = repository::standings_lock(&mut tx, organization, id).await?;
        // Between the two one became another's, whose lock is not held.
        if standings.iter().any(|standing| !specialists.contains(&standing.specialist_id)) {
            return Err(AppointmentError::StaleVersion { current: series.version });
        }
        Ok((tx, series, standings))
    }
}

fn anchor_of(standings: &[Standing], id: AppointmentId) -> Result<&Standing, InvalidValue> {
    standings.iter().find(|standing| standing.id == id).ok_or_else(|| {
        InvalidValue::new("/appointment_id", "unknown_reference", "is no appointment of this series that you may see")
    })
}

/// Which appointments a change is about: what the scope takes in and can still change. What has begun
/// without anybody having said so changes only when it is named.
fn chosen<'a>(
    standings: &'a [Standing],
    scope: SeriesScope,
    anchor: Option<&'a Standing>,
    now: DateTime<Utc>,
) -> impl Iterator<Item = &'a Standing> {
    let is_anchor = move |standing: &Standing| anchor.is_some_and(|anchor| anchor.id == standing.id);
    standings.iter().filter(move |standing| {
        let is_meant = match scope {
            SeriesScope::One => is_anchor(standing),
            SeriesScope::Following => anchor.is_some_and(|anchor| anchor.started_at <= standing.started_at),
            SeriesScope::All => true,
        };
        is_meant && standing.status.is_booked() && (is_anchor(standing) || standing.started_at > now)
    })
}

/// What becomes of an appointment when the anchor becomes what `change` says, and whether clocks leave its
/// new time out.
fn changed(standing: &Standing, anchor: &Standing, change: &UpdateAppointmentSeries, zone: Tz) -> (Change, bool) {
    let shift = clock::shown(zone, change.started_at) - clock::shown(zone, anchor.started_at);
    let (started_at, is_skipped) = if standing.id == anchor.id {
        (change.started_at, false)
    } else if shift == TimeDelta::zero() {
        (standing.started_at, false)
    } else {
        let moved = clock::moment(zone, clock::shown(zone, standing.started_at) + shift);
        (moved.at, moved.skipped)
    };
    let as_long = change.ended_at - change.started_at;
    let lasted = anchor.ended_at - anchor.started_at;
    let lasts = if as_long == lasted { standing.ended_at - standing.started_at } else { as_long };
    let ended_at = started_at + lasts;
    let change = Change {
        id: standing.id,
        title: unless_same(&anchor.title, &change.title, &standing.title).clone(),
        specialty_id: *unless_same(&anchor.specialty_id, &change.specialty_id, &standing.specialty_id),
        specialist_id: *unless_same(&anchor.specialist_id, &change.specialist_id, &standing.specialist_id),
        started_at,
        ended_at,
        block: standing.block_at(started_at, ended_at),
    };
    (change, is_skipped)
}

/// What one of several becomes, when that which leads them changes `from` something `to` something.
fn unless_same<'a, T: PartialEq>(from: &T, to: &'a T, own: &'a T) -> &'a T {
    if from == to { own } else { to }
}

/// Which of the changes can't be, and what the audit log says of holds that gave way to the others.
async fn fit(
    tx: &mut WriteTx,
    organization: OrganizationId,
    series: &SeriesRow,
    chosen: &[&Standing],
    wanted: &[(Change, bool)],
) -> Result<(Vec<Option<ConflictReason>>, Vec<Audit>), AppointmentError> {
    let moves = |standing: &Standing, change: &Change| {
        (standing.specialist_id, standing.block()) != (change.specialist_id, change.block)
    };
    let moving: Vec<_> = chosen.iter().zip(wanted).filter(|(standing, (change, _))| moves(standing, change)).collect();
    let Some(within) = hull(moving.iter().map(|(_, (change, _))| change.block)) else {
        return Ok((vec![None; wanted.len()], Vec::new()));
    };
    // Where they are now is free for them. No two active ones of a specialist or of a patient overlap, so a
    // block that is one of theirs is nobody else's.
    let is_own = |block: &Block, with: Option<SpecialistId>| {
        let mut theirs = moving.iter().filter(|(standing, _)| with.is_none_or(|with| with == standing.specialist_id));
        theirs.any(|(standing, _)| standing.block() == *block)
    };
    let taken = repository::patient_blocks(tx, organization, series.patient_id, &within).await?.unwrap_or_default();
    let with_patient: Vec<_> = taken.into_iter().filter(|block| !is_own(block, None)).collect();
    let mut specialists = Vec::new();
    let mut expired = Vec::new();
    for specialist in moving.iter().map(|(_, (change, _))| change.specialist_id).collect::<BTreeSet<_>>() {
        let offered = availability::offered(tx, organization, specialist, None, within.start, within.end).await?;
        let mut taken: Vec<_> = offered.blocks().map(|block| Block { start: block.start, end: block.end }).collect();
        taken.retain(|block| !is_own(block, Some(specialist)));
        taken.extend(&with_patient);
        let whole = Block { start: within.start, end: within.end };
        expired.extend(booking::expire(tx, specialist, series.patient_id, whole).await?);
        specialists.push((specialist, offered, taken));
    }
    let wishes = chosen.iter().zip(wanted).map(|(standing, (change, is_skipped))| {
        let is_moving = moves(standing, change);
        let with = specialists.iter().find(|(specialist, ..)| *specialist == change.specialist_id);
        let obstacle = with.filter(|_| is_moving).and_then(|(_, offered, taken)| {
            obstacle(change.started_at..change.ended_at, change.block, *is_skipped, offered, taken)
        });
        Wish { block: change.block, now: Some(standing.block()), obstacle }
    });
    Ok((plan::conflicts(&wishes.collect::<Vec<_>>()), expired))
}

/// The specialists who are free where an appointment was.
fn left(before: &[&Standing], after: &[Appointment]) -> BTreeSet<SpecialistId> {
    let has_left = |standing: &&&Standing| {
        let place = (standing.specialist_id, standing.started_at, standing.ended_at);
        after.iter().any(|now| now.id == standing.id && (now.specialist_id, now.started_at, now.ended_at) != place)
    };
    before.iter().filter(has_left).map(|standing| standing.specialist_id).collect()
}

/// The time in which everything lies that may be in the way of these blocks.
fn hull(blocks: impl Iterator<Item = Block> + Clone) -> Option<Range<DateTime<Utc>>> {
    let start = blocks.clone().map(|block| block.start).min()?;
    let end = blocks.map(|block| block.end).max()?;
    Some(start - plan::MARGIN..end + plan::MARGIN)
}

fn zone_of(series: &SeriesRow) -> Result<Tz, DatabaseError> {
    series.timezone.parse().map_err(|_| DatabaseError::Damaged("a series' timezone is none".to_owned()))
}
