use chrono::{DateTime, TimeDelta, Utc};
use server_shared::{
    error::FieldFault,
    http::{Page, Paging},
};
use uuid::Uuid;

use super::{
    error::AppointmentError,
    model::{
        Appointment, AppointmentFilter, AppointmentSort, AppointmentStatus, CancelAppointment, CreateAppointment,
        UpdateAppointment,
    },
    repository,
};
use crate::{
    audit::Audit,
    database::{Database, Lock},
    domain::rules::InvalidValue,
    http::{Caller, Role},
    ids::{AppointmentId, OrganizationId},
};

/// Longest an appointment may last.
const LONGEST: TimeDelta = TimeDelta::hours(24);
/// How far from now an appointment may be; beyond lies a typing error.
const FURTHEST: TimeDelta = TimeDelta::days(366 * 10);

/// Booked times.
#[derive(Clone)]
pub(crate) struct Service {
    database: Database,
}

impl Service {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    pub(super) async fn list(
        &self,
        caller: &Caller,
        filter: &AppointmentFilter,
        sort: AppointmentSort,
        paging: Paging,
    ) -> Result<Page<Appointment>, AppointmentError> {
        let mut reader = self.database.read(caller).open().await?;
        Ok(repository::appointment_page(&mut reader, filter, sort, paging).await?)
    }

    pub(super) async fn get(&self, caller: &Caller, id: AppointmentId) -> Result<Appointment, AppointmentError> {
        let mut reader = self.database.read(caller).open().await?;
        repository::appointment_get(&mut reader, id).await?.ok_or(AppointmentError::NotFound)
    }

    pub(super) async fn find(&self, caller: &Caller, uid: Uuid) -> Result<Appointment, AppointmentError> {
        let mut reader = self.database.read(caller).open().await?;
        repository::appointment_find(&mut reader, uid).await?.ok_or(AppointmentError::NotFound)
    }

    pub(super) async fn create(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        booking: &CreateAppointment,
    ) -> Result<Appointment, AppointmentError> {
        check_period(booking.started_at, booking.ended_at, Utc::now())?;
        check_own(caller, booking)?;
        let mut tx = self.database.write_locked(caller, locks(organization, booking)).await?;
        match repository::appointment_create(&mut tx, organization, caller.user_id, booking).await? {
            Some(appointment) => {
                tx.commit(Audit::created(&appointment)).await?;
                Ok(appointment)
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
        let booking = change.booking();
        check_period(booking.started_at, booking.ended_at, Utc::now())?;
        check_own(caller, &booking)?;
        let mut tx = self.database.write_locked(caller, locks(organization, &booking)).await?;
        let standing = repository::appointment_lock(&mut tx, id).await?.ok_or(AppointmentError::NotFound)?;
        if standing.version != change.version {
            return Err(AppointmentError::StaleVersion { current: standing.version });
        }
        if !standing.status.can_be_changed() {
            return Err(AppointmentError::InvalidTransition { from: standing.status, to: "scheduled" });
        }
        match repository::appointment_update(&mut tx, organization, id, &booking).await? {
            Some(appointment) => {
                let fields = ["title", "started_at", "ended_at", "specialist_id", "patient_id", "specialty_id"];
                tx.commit(Audit::updated(&appointment, fields.to_vec())).await?;
                Ok(appointment)
            }
            None => Err(repository::unknown_reference(&mut tx, organization, &booking).await?),
        }
    }

    pub(super) async fn cancel(
        &self,
        caller: &Caller,
        id: AppointmentId,
        cancel: &CancelAppointment,
    ) -> Result<Appointment, AppointmentError> {
        let mut tx = self.database.write(caller).await?;
        let standing = repository::appointment_lock(&mut tx, id).await?.ok_or(AppointmentError::NotFound)?;
        match standing.status {
            AppointmentStatus::Cancelled => return Err(AppointmentError::AlreadyCancelled),
            status if status.can_be_cancelled() => {}
            from => return Err(AppointmentError::InvalidTransition { from, to: "cancelled" }),
        }
        if caller.role == Some(Role::Patient) && standing.started_at <= Utc::now() {
            return Err(AppointmentError::TooLate);
        }
        let appointment = repository::appointment_cancel(&mut tx, id, cancel.reason).await?;
        tx.commit(Audit::action("cancelled", &appointment)).await?;
        Ok(appointment)
    }

    pub(super) async fn delete(&self, caller: &Caller, id: AppointmentId) -> Result<(), AppointmentError> {
        let mut tx = self.database.write(caller).await?;
        if !repository::appointment_delete(&mut tx, id).await? {
            return Err(AppointmentError::NotFound);
        }
        tx.commit(Audit::deleted(&id)).await?;
        Ok(())
    }
}

/// Racing bookings of one calendar wait for each other here instead of deadlocking in the exclusion
/// constraints.
fn locks(organization: OrganizationId, booking: &CreateAppointment) -> Vec<Lock> {
    vec![Lock::Specialist(organization, booking.specialist_id), Lock::Patient(organization, booking.patient_id)]
}

/// A specialist books for itself alone; row-level security would refuse it too, as a fault.
fn check_own(caller: &Caller, booking: &CreateAppointment) -> Result<(), InvalidValue> {
    if caller.role == Some(Role::Specialist) && caller.specialist_id != Some(booking.specialist_id) {
        return Err(InvalidValue::new(
            "/specialist_id",
            "not_own",
            "must be yourself: a specialist books for itself alone",
        ));
    }
    Ok(())
}

fn check_period(started_at: DateTime<Utc>, ended_at: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), InvalidValue> {
    let mut faults = Vec::new();
    if (started_at - now).abs() > FURTHEST {
        faults.push(FieldFault::new("/started_at", "range", "must be within ten years of now"));
    }
    if ended_at <= started_at {
        faults.push(FieldFault::new("/ended_at", "order", "must be after started_at"));
    } else if ended_at - started_at > LONGEST {
        faults.push(FieldFault::new("/ended_at", "range", "must be at most 24 hours after started_at"));
    }
    InvalidValue::check(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_appointment_ends_after_it_begins_and_within_a_day() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let minute = TimeDelta::minutes(1);
        assert!(check_period(now, now + minute, now).is_ok());
        assert!(check_period(now, now, now).is_err());
        assert!(check_period(now, now + LONGEST + minute, now).is_err());
        assert!(check_period(now + FURTHEST + minute, now + FURTHEST + minute * 2, now).is_err());
    }
}
