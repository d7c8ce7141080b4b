//! Changes and cancellations of a series: all of it, from one appointment on, or one appointment alone.

use std::collections::{BTreeMap, BTreeSet};

use chrono::Utc;
use chrono_tz::Tz;

use super::{
    super::{
        booking,
        error::AppointmentError,
        event::{AppointmentEvent, AppointmentSeriesEvent, Place},
        reschedule,
        service::{Service, check_own, check_period},
        status::AppointmentStatus,
        title::{TitleSeal, Titled},
        transition::{AppointmentState, appointments_cancel},
    },
    fit::fit,
    model::{
        AppointmentSeries, AppointmentSeriesResult, CancelAppointmentSeries, OnConflict, SeriesConflict, SeriesScope,
        UpdateAppointmentSeries,
    },
    repository::{self, Change, SeriesRow},
    service::check_specialty,
    shift::{Shift, Shifted, Titles, chosen},
};
use crate::{
    database::{DatabaseError, Lock, WriteTx},
    domain::rules::{InvalidValue, StaleVersion},
    event::Events,
    identity::Caller,
    ids::{AppointmentId, AppointmentSeriesId, OrganizationId, SpecialistId},
};

impl Service {
    /// Changes appointments of a series in the way that one of them changes. With [`OnConflict::Skip`], leaves out
    /// those that conflict.
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
        check_period(change.started_at.get(), change.ended_at.get(), now)?;
        check_own(caller, change.specialist_id)?;
        let seal = TitleSeal::of(&self.keys, organization).await?;
        let (mut tx, series, states) = self.series_locked(caller, id, Some(change.specialist_id)).await?;
        StaleVersion::check(change.version, series.version)?;
        let anchor = anchor_of(&states, change.appointment_id)?;
        if !anchor.status.is_booked() {
            let to = AppointmentStatus::Scheduled;
            return Err(AppointmentError::InvalidTransition { from: anchor.status, to });
        }
        if let Some(specialty) = change.specialty_id
            && change.specialty_id != anchor.specialty_id
        {
            check_specialty(&mut tx, organization, specialty).await?;
        }

        let titles = self.titles_of(&states).await?;
        let shift = Shift::new(anchor, change, zone_of(&series)?, &titles, &seal);
        let chosen: Vec<_> = chosen(&states, scope, Some(anchor), now).collect();
        let wanted: Vec<_> = chosen.iter().map(|state| shift.of(state)).collect();
        let conflicts = fit(&mut tx, organization, &series, &chosen, &wanted, now).await?;
        let mut changes = Vec::with_capacity(wanted.len());
        let mut skipped = Vec::new();
        for (Shifted { change, .. }, reason) in wanted.into_iter().zip(conflicts) {
            match reason {
                None => changes.push(change),
                Some(reason) => {
                    let Change { id, started_at, ended_at, .. } = change;
                    skipped.push(SeriesConflict { appointment_id: Some(id), started_at, ended_at, reason });
                }
            }
        }
        skipped.sort_unstable_by_key(|conflict| conflict.started_at);
        if !skipped.is_empty() && (on_conflict == OnConflict::Fail || changes.is_empty()) {
            return Err(AppointmentError::SeriesConflict { conflicts: skipped });
        }

        let specialists: BTreeSet<_> = changes.iter().map(|change| change.specialist_id).collect();
        let specialists: Vec<_> = specialists.into_iter().collect();
        let blocks: Vec<_> = changes.iter().map(|change| change.block).collect();
        let expired = booking::expire(&mut tx, &specialists, series.patient_id, &blocks).await?;
        let done = repository::appointments_change(&mut tx, &changes).await?;
        reschedule::record(&mut tx, &chosen, caller.user_id).await?;
        if scope == SeriesScope::All && titles.get(&anchor.id).map(String::as_str) != Some(change.title.as_str()) {
            let title = seal.seal(Titled::Series, series.uid, change.title.as_str());
            repository::series_name(&mut tx, id, title.as_deref()).await?;
        }
        repository::series_touch(&mut tx, id).await?;
        let before = (self.series_title(&series).await?, series.specialist_id);
        let (series, appointments) = repository::series_read(&mut tx, id).await?;
        let series = self.series_opened(series, appointments).await?;
        let mut of_series = Vec::new();
        of_series.extend((series.title != before.0).then_some("title"));
        of_series.extend((series.specialist_id != before.1).then_some("specialist_id"));
        let updated = AppointmentSeriesEvent::Updated { id, changed: of_series };
        let each = done.iter().filter_map(|now| {
            let before = chosen.iter().find(|state| state.id == now.id)?;
            let fields = before.changed(now, titles.get(&now.id).map(String::as_str) != Some(change.title.as_str()));
            Some(AppointmentEvent::Updated { now: now.into(), before: Place::from(*before), changed: fields })
        });
        tx.commit(Events::from(updated).and(each).and(expired)).await?;
        Ok(AppointmentSeriesResult { series, skipped })
    }

    /// Cancels appointments of a series that have not begun.
    pub(super) async fn series_cancel(
        &self,
        caller: &Caller,
        id: AppointmentSeriesId,
        scope: SeriesScope,
        cancel: &CancelAppointmentSeries,
    ) -> Result<AppointmentSeries, AppointmentError> {
        let anchor = cancel.anchor(scope)?;
        let (mut tx, _, states) = self.series_locked(caller, id, None).await?;
        let anchor = anchor.map(|id| anchor_of(&states, id)).transpose()?;
        let ids: Vec<_> = chosen(&states, scope, anchor, Utc::now()).map(|state| state.id).collect();
        if ids.is_empty() {
            return Err(match anchor.filter(|_| scope == SeriesScope::One).map(|state| state.status) {
                Some(from) if from != AppointmentStatus::Cancelled => {
                    AppointmentError::InvalidTransition { from, to: AppointmentStatus::Cancelled }
                }
                _ => AppointmentError::AlreadyCancelled,
            });
        }
        let done = appointments_cancel(&mut tx, &ids, cancel.reason).await?;
        repository::series_touch(&mut tx, id).await?;
        let (series, appointments) = repository::series_read(&mut tx, id).await?;
        let series = self.series_opened(series, appointments).await?;
        let each = done.iter().map(|appointment| AppointmentEvent::Cancelled(appointment.into()));
        tx.commit(Events::from(AppointmentSeriesEvent::Cancelled(id)).and(each)).await?;
        Ok(series)
    }

    /// Decrypts the titles of appointments.
    async fn titles_of(&self, states: &[AppointmentState]) -> Result<Titles, DatabaseError> {
        let mut titles = BTreeMap::new();
        for state in states {
            titles.insert(state.id, self.title_of(state).await?);
        }
        Ok(titles)
    }

    /// Opens a transaction for a change of a series: takes the locks that bookings of its patient, of all its
    /// specialists and of `also` take, and locks the rows. The reason is the same as for one appointment, see
    /// [`Service::locked`].
    async fn series_locked(
        &self,
        caller: &Caller,
        id: AppointmentSeriesId,
        also: Option<SpecialistId>,
    ) -> Result<(WriteTx, SeriesRow, Vec<AppointmentState>), AppointmentError> {
        let seen = self.series_get(caller, id).await?;
        let organization = seen.organization_id;
        let mut specialists: BTreeSet<_> =
            seen.appointments.iter().map(|appointment| appointment.specialist_id).collect();
        specialists.extend(also);
        let mut locks = vec![Lock::Patient(organization, seen.patient_id)];
        locks.extend(specialists.iter().map(|&id| Lock::Specialist(organization, id)));
        let mut tx = self.database.write_locked(caller, locks).await?;
        // The version of the series counts changes of its appointments, so it is read after they are locked.
        let states = repository::states_lock(&mut tx, organization, id).await?;
        let series = repository::series_lock(&mut tx, id).await?.ok_or(AppointmentError::SeriesNotFound)?;
        // An appointment was given to another specialist, or the patient was merged, before the lock, so that the locks
        // are the wrong ones.
        if series.patient_id != seen.patient_id
            || states.iter().any(|state| !specialists.contains(&state.specialist_id))
        {
            return Err(StaleVersion::now(series.version).into());
        }
        Ok((tx, series, states))
    }
}

fn anchor_of(states: &[AppointmentState], id: AppointmentId) -> Result<&AppointmentState, InvalidValue> {
    states.iter().find(|state| state.id == id).ok_or_else(|| {
        InvalidValue::new("/appointment_id", "unknown_reference", "is no appointment of this series that you may see")
    })
}

fn zone_of(series: &SeriesRow) -> Result<Tz, DatabaseError> {
    series.timezone.parse().map_err(|_| DatabaseError::Damaged("the timezone of a series is invalid".to_owned()))
}
