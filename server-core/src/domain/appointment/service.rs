use chrono::{DateTime, Utc};
use server_shared::{
    error::FieldFault,
    http::{Page, Paging},
};
use uuid::Uuid;

use super::{
    booking,
    error::AppointmentError,
    event::{AppointmentEvent, Place, Removed},
    model::{Appointment, AppointmentFilter, AppointmentSort, CreateAppointment, LONGEST, UpdateAppointment},
    repository, reschedule,
    row::{AppointmentRow, NewAppointment},
    status::AppointmentStatus,
    title::{TitleSeal, Titled},
};
use crate::{
    database::{Database, Lock},
    domain::{
        period::Period,
        rules::{InvalidValue, StaleVersion, check_range, too_far},
    },
    encryption::OrganizationKeys,
    event::Events,
    identity::{Caller, Role},
    ids::{AppointmentId, OrganizationId, SpecialistId},
};

/// Appointments.
#[derive(Clone)]
pub(crate) struct Service {
    pub(super) database: Database,
    pub(super) keys: OrganizationKeys,
}

impl Service {
    pub(crate) fn new(database: Database, keys: OrganizationKeys) -> Self {
        Self { database, keys }
    }

    pub(super) async fn list(
        &self,
        caller: &Caller,
        filter: &AppointmentFilter,
        sort: AppointmentSort,
        paging: Paging,
    ) -> Result<Page<Appointment>, AppointmentError> {
        check_range(filter.from, filter.to)?;
        let mut reader = self.database.read(caller).open().await?;
        let (rows, total) = repository::appointment_page(&mut reader, filter, sort, paging).await?;
        drop(reader);
        Ok(paging.page(self.opened_all(rows).await?, total))
    }

    pub(super) async fn get(&self, caller: &Caller, id: AppointmentId) -> Result<Appointment, AppointmentError> {
        let row = self.row(caller, id).await?;
        Ok(self.opened(row).await?)
    }

    /// Returns the appointment as stored.
    pub(super) async fn row(&self, caller: &Caller, id: AppointmentId) -> Result<AppointmentRow, AppointmentError> {
        let mut reader = self.database.read(caller).open().await?;
        reader.get(id).await?.ok_or(AppointmentError::NotFound)
    }

    pub(super) async fn find(&self, caller: &Caller, uid: Uuid) -> Result<Appointment, AppointmentError> {
        let mut reader = self.database.read(caller).open().await?;
        let row = repository::appointment_find(&mut reader, uid).await?.ok_or(AppointmentError::NotFound)?;
        drop(reader);
        Ok(self.opened(row).await?)
    }

    pub(super) async fn create(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        booking: &CreateAppointment,
    ) -> Result<Appointment, AppointmentError> {
        check_period(booking.started_at.get(), booking.ended_at.get(), Utc::now())?;
        check_own(caller, booking.specialist_id)?;
        let (seal, uid) = (TitleSeal::of(&self.keys, organization).await?, Uuid::new_v4());
        let title = seal.seal(Titled::Appointment, uid, booking.title.as_str());
        let new = NewAppointment { organization, user: caller.user_id, uid, title: title.as_deref(), booking };
        let first = repository::appointment_create_first(new);
        let mut tx = self.database.write_attempt(caller, locks(organization, booking), first).await?;
        let mut expired = Vec::new();
        let mut created = match tx.first() {
            Some(created) => created.map_err(repository::on_overlap),
            None => repository::appointment_create(&mut tx, new).await,
        };
        // Lapsed holds are few, so they are looked for only when something overlaps.
        if let Err(AppointmentError::SlotTaken) = created {
            tx.undo_attempt().await?;
            let block = Period { start: booking.started_at.get(), end: booking.ended_at.get() };
            expired = booking::expire(&mut tx, &[booking.specialist_id], booking.patient_id, &[block]).await?;
            if !expired.is_empty() {
                created = repository::appointment_create(&mut tx, new).await;
            }
        }
        match created? {
            Some(created) => {
                let appointment = new.stored(created);
                tx.commit(Events::from(AppointmentEvent::Created((&appointment).into())).and(expired)).await?;
                Ok(appointment.with(booking.title.as_str().to_owned()))
            }
            None => Err(repository::unknown_reference(&mut tx, organization, booking).await?),
        }
    }

    pub(super) async fn update(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: AppointmentId,
        change: &UpdateAppointment,
    ) -> Result<Appointment, AppointmentError> {
        let UpdateAppointment { version, booking } = change;
        check_period(booking.started_at.get(), booking.ended_at.get(), Utc::now())?;
        check_own(caller, booking.specialist_id)?;
        let seal = TitleSeal::of(&self.keys, organization).await?;
        let mut tx = self.database.write_locked(caller, locks(organization, booking)).await?;
        let state = self.state(&mut tx, id).await?;
        StaleVersion::check(*version, state.version)?;
        if !state.status.is_booked() {
            let to = AppointmentStatus::Scheduled;
            return Err(AppointmentError::InvalidTransition { from: state.status, to });
        }
        if state.appointment_series_id.is_some() && state.patient_id != booking.patient_id {
            let message = "must stay: the appointment belongs to a series; cancel it and book another one";
            return Err(InvalidValue::new("/patient_id", "of_series", message).into());
        }
        let block = state.block_at(booking.started_at.get(), booking.ended_at.get());
        let expired = booking::expire(&mut tx, &[booking.specialist_id], booking.patient_id, &[block]).await?;
        let was_titled = self.title_of(&state).await?;
        let title = seal.seal(Titled::Appointment, state.uid, booking.title.as_str());
        match repository::appointment_update(&mut tx, organization, id, title.as_deref(), booking, block).await? {
            Some(appointment) => {
                reschedule::record(&mut tx, &[&state], caller.user_id).await?;
                let updated = AppointmentEvent::Updated {
                    now: (&appointment).into(),
                    before: Place::from(&state),
                    changed: state.changed(&appointment, was_titled != booking.title.as_str()),
                };
                tx.commit(Events::from(updated).and(expired)).await?;
                Ok(appointment.with(booking.title.as_str().to_owned()))
            }
            None => Err(repository::unknown_reference(&mut tx, organization, booking).await?),
        }
    }

    pub(super) async fn delete(&self, caller: &Caller, id: AppointmentId) -> Result<(), AppointmentError> {
        let mut tx = self.database.write(caller).await?;
        let deleted = repository::appointment_delete(&mut tx, id).await?;
        let (modality, specialist_id) = deleted.ok_or(AppointmentError::NotFound)?;
        tx.commit(AppointmentEvent::Deleted(Removed { id, modality, specialist_id })).await?;
        Ok(())
    }
}

/// Returns the locks of a booking. Concurrent bookings of one calendar wait for them instead of deadlocking in the
/// exclusion constraints.
fn locks(organization: OrganizationId, booking: &CreateAppointment) -> Vec<Lock> {
    vec![Lock::Specialist(organization, booking.specialist_id), Lock::Patient(organization, booking.patient_id)]
}

/// Refuses a specialist who books for another one. Row-level security refuses it too, but as an internal error.
pub(super) fn check_own(caller: &Caller, specialist: SpecialistId) -> Result<(), InvalidValue> {
    if caller.role() == Some(Role::Specialist) && caller.specialist_id() != Some(specialist) {
        return Err(InvalidValue::new("/specialist_id", "not_own", "must be your own specialist record"));
    }
    Ok(())
}

/// Checks that a period ends after it begins, lasts at most a day and lies within ten years of now.
pub(super) fn check_period(
    started_at: DateTime<Utc>,
    ended_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), InvalidValue> {
    let mut faults: Vec<FieldFault> = too_far("/started_at", started_at, now).into_iter().collect();
    if ended_at <= started_at {
        faults.push(FieldFault::new("/ended_at", "order", "must be after started_at"));
    } else if ended_at - started_at > LONGEST {
        faults.push(FieldFault::new("/ended_at", "range", "must be at most 24 hours after started_at"));
    }
    InvalidValue::check(faults)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn an_appointment_ends_after_it_begins_and_within_a_day() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let (minute, ten_years) = (TimeDelta::minutes(1), TimeDelta::days(366 * 10));
        assert!(check_period(now, now + minute, now).is_ok());
        assert!(check_period(now, now, now).is_err());
        assert!(check_period(now, now + LONGEST + minute, now).is_err());
        assert!(check_period(now + ten_years + minute, now + ten_years + minute * 2, now).is_err());
    }
}
