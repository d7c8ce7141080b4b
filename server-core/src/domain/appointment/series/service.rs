use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use server_shared::value::Moment;
use uuid::Uuid;

use super::{
    super::{
        booking,
        error::{AppointmentError, unknown_patient},
        event::{AppointmentEvent, AppointmentSeriesEvent},
        row::AppointmentRow,
        service::{Service, check_own, check_period},
        title::{StoredTitle, TitleSeal, Titled},
    },
    clock::{self, Clocked},
    model::{
        AppointmentSeries, AppointmentSeriesResult, ConflictReason, CreateAppointmentSeries, OnConflict, SeriesConflict,
    },
    plan::{self, Placement},
    repository::{self, SeriesRow},
};
use crate::{
    database::{DatabaseError, Lock, Tx},
    domain::{
        availability::{self, Offered, OpenSlot},
        period::Period,
        rules::InvalidValue,
    },
    event::Events,
    identity::Caller,
    ids::{AppointmentSeriesId, OrganizationId, SpecialtyId},
};

/// Shortest duration of a template.
const SHORTEST: TimeDelta = TimeDelta::minutes(5);

impl Service {
    pub(super) async fn series_get(
        &self,
        caller: &Caller,
        id: AppointmentSeriesId,
    ) -> Result<AppointmentSeries, AppointmentError> {
        let mut reader = self.database.read(caller).open().await?;
        let found = repository::series_get(&mut reader, id).await?;
        let (series, appointments) = found.ok_or(AppointmentError::SeriesNotFound)?;
        drop(reader);
        Ok(self.series_opened(series, appointments).await?)
    }

    /// Converts a stored series into one for callers, with its titles decrypted.
    pub(super) async fn series_opened(
        &self,
        series: SeriesRow,
        appointments: Vec<AppointmentRow>,
    ) -> Result<AppointmentSeries, DatabaseError> {
        let title = self.series_title(&series).await?;
        Ok(series.with(title, self.opened_all(appointments).await?))
    }

    /// Decrypts the title of a series.
    pub(super) async fn series_title(&self, series: &SeriesRow) -> Result<String, DatabaseError> {
        let title = StoredTitle {
            titled: Titled::Series,
            organization: series.organization_id,
            uid: series.uid,
            clear: &series.title,
            sealed: series.title_encrypted.as_deref(),
        };
        self.title_open(title).await
    }

    /// Books every time of a series; with [`OnConflict::Skip`], those that are free.
    pub(super) async fn series_create(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        input: &CreateAppointmentSeries,
        on_conflict: OnConflict,
    ) -> Result<AppointmentSeriesResult, AppointmentError> {
        check_input(input)?;
        let CreateAppointmentSeries { specialist_id, patient_id, template_id, specialty_id, .. } = *input;
        let started_at = input.started_at.get();
        check_own(caller, specialist_id)?;
        let seal = TitleSeal::of(&self.keys, organization).await?;
        let locks = vec![Lock::Specialist(organization, specialist_id), Lock::Patient(organization, patient_id)];
        let mut tx = self.database.write_locked(caller, locks).await?;
        let within = started_at - plan::MARGIN
            ..started_at + input.recurrence.reach(started_at.naive_utc().date()) + plan::MARGIN;
        let offered =
            availability::offered(&mut tx, organization, specialist_id, template_id, within.start, within.end).await?;
        if !repository::patient_is_there(&mut tx, organization, patient_id).await? {
            return Err(unknown_patient().into());
        }
        if let Some(specialty) = specialty_id {
            check_specialty(&mut tx, organization, specialty).await?;
        }
        let mut taken = repository::patient_blocks(&mut tx, patient_id, &within).await?;
        taken.extend(offered.blocks().map(|block| Period { start: block.start, end: block.end }));

        let times = times(input, &offered)?;
        let placements: Vec<_> = times
            .iter()
            .map(|(slot, is_skipped)| {
                let (time, block) = (slot.started_at..slot.ended_at, block_of(slot));
                let left_out = is_skipped.then_some(ConflictReason::TimeSkipped);
                let obstacle = left_out.or_else(|| obstacle(time, block, &offered, &taken));
                Placement { block, now: None, obstacle }
            })
            .collect();
        let mut slots = Vec::with_capacity(times.len());
        let mut conflicts = Vec::new();
        for ((slot, _), conflict) in times.into_iter().zip(plan::conflicts(&placements)) {
            match conflict {
                None => slots.push(slot),
                Some(reason) => {
                    let OpenSlot { started_at, ended_at, .. } = slot;
                    conflicts.push(SeriesConflict { appointment_id: None, started_at, ended_at, reason });
                }
            }
        }
        if !conflicts.is_empty() && (on_conflict == OnConflict::Fail || slots.is_empty()) {
            return Err(AppointmentError::SeriesConflict { conflicts });
        }

        let blocks: Vec<_> = slots.iter().map(block_of).collect();
        let expired = booking::expire(&mut tx, &[specialist_id], patient_id, &blocks).await?;
        let (user, zone) = (caller.user_id, offered.zone().name());
        let ended_at = input.ended_at.map_or_else(|| offered.slot_at(started_at).ended_at, Moment::get);
        let uid = Uuid::new_v4();
        let title = seal.seal(Titled::Series, uid, input.title.as_str());
        let named = (uid, title.as_deref());
        let id = repository::series_create(&mut tx, organization, user, named, input, zone, ended_at).await?;
        let name = |_: &OpenSlot| {
            let uid = Uuid::new_v4();
            (uid, seal.seal(Titled::Appointment, uid, input.title.as_str()))
        };
        let named: Vec<_> = slots.iter().map(name).collect();
        let booked = repository::appointments_create(&mut tx, organization, user, id, input, &slots, &named).await?;
        let (series, appointments) = repository::series_read(&mut tx, id).await?;
        let series = self.series_opened(series, appointments).await?;
        let each = booked.iter().map(|appointment| AppointmentEvent::Created(appointment.into()));
        tx.commit(Events::from(AppointmentSeriesEvent::Created(id)).and(each).and(expired)).await?;
        Ok(AppointmentSeriesResult { series, skipped: conflicts })
    }
}

/// Checks the body as far as that needs no database.
fn check_input(input: &CreateAppointmentSeries) -> Result<(), InvalidValue> {
    input.recurrence.check()?;
    if input.template_id.is_none() && input.ended_at.is_none() {
        return Err(InvalidValue::new("/ended_at", "required", "is required without a template"));
    }
    let started_at = input.started_at.get();
    check_period(started_at, input.ended_at.map_or(started_at + SHORTEST, Moment::get), Utc::now())
}

/// Refuses a specialty that does not exist or is archived.
pub(super) async fn check_specialty(
    tx: &mut impl Tx,
    organization: OrganizationId,
    id: SpecialtyId,
) -> Result<(), AppointmentError> {
    if repository::specialty_is_in_use(tx, organization, id).await? {
        return Ok(());
    }
    let message = "is no specialty in use of this organization";
    Err(InvalidValue::new("/specialty_id", "unknown_reference", message).into())
}

/// Returns the slots of a series, each with `true` if its local time does not exist.
fn times(input: &CreateAppointmentSeries, offered: &Offered) -> Result<Vec<(OpenSlot, bool)>, InvalidValue> {
    let zone: Tz = offered.zone();
    let first = clock::shown(zone, input.started_at.get());
    let slot = |started_at: DateTime<Utc>| {
        let usual = offered.slot_at(started_at);
        let ended_at =
            input.ended_at.map_or(usual.ended_at, |first_end| started_at + (first_end.get() - input.started_at.get()));
        // Without a template it has no buffers, like an appointment that the clinic creates.
        let (before, after) = match input.template_id {
            Some(_) => (started_at - usual.block_start, usual.block_end - usual.ended_at),
            None => (TimeDelta::zero(), TimeDelta::zero()),
        };
        let (block_start, block_end) = (started_at - before, ended_at + after);
        OpenSlot { ended_at, block_start, block_end, specialty_id: input.specialty_id.or(usual.specialty_id), ..usual }
    };
    let dates = input.recurrence.dates(first.date())?.into_iter().enumerate();
    let times = dates.map(|(place, date)| {
        // The first one is the requested moment, even if its local time occurs twice.
        let Clocked { at, skipped } = match place {
            0 => Clocked { at: input.started_at.get(), skipped: false },
            _ => clock::moment(zone, date.and_time(first.time())),
        };
        (slot(at), skipped)
    });
    Ok(times.collect())
}

fn block_of(slot: &OpenSlot) -> Period {
    Period { start: slot.block_start, end: slot.block_end }
}

/// Returns the conflict of a time and its block that does not depend on the rest of the series.
pub(super) fn obstacle(
    time: Range<DateTime<Utc>>,
    block: Period,
    offered: &Offered,
    taken: &[Period],
) -> Option<ConflictReason> {
    if offered.is_away(time.start, time.end) {
        Some(ConflictReason::SpecialistAway)
    } else {
        taken.iter().any(|taken| taken.overlaps(&block)).then_some(ConflictReason::SlotTaken)
    }
}
