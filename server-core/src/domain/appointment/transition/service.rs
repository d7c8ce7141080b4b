use chrono::Utc;

use super::{
    super::{
        error::AppointmentError,
        event::{AppointmentEvent, Booked},
        model::{Appointment, CancelAppointment},
        row::AppointmentRow,
        service::Service,
        status::AppointmentStatus,
    },
    model::AppointmentState,
    repository,
};
use crate::{
    database::{Lock, Tx, WriteTx},
    domain::rules::StaleVersion,
    identity::{Caller, Role},
    ids::{AppointmentId, SpecialistId},
};

impl Service {
    /// Opens a transaction for a change that needs the time of the appointment: takes the locks that bookings of its
    /// specialist, of `also` and of its patient take, and locks the row.
    ///
    /// Without these locks, a booking that waits in a constraint for the change of this row could deadlock with it.
    pub(crate) async fn locked(
        &self,
        caller: &Caller,
        id: AppointmentId,
        also: Option<SpecialistId>,
    ) -> Result<(WriteTx, AppointmentState), AppointmentError> {
        let seen = self.row(caller, id).await?;
        let specialists = [Some(seen.specialist_id), also];
        let mut locks = vec![Lock::Patient(seen.organization_id, seen.patient_id)];
        locks.extend(specialists.into_iter().flatten().map(|id| Lock::Specialist(seen.organization_id, id)));
        let mut tx = self.database.write_locked(caller, locks).await?;
        let state = self.state(&mut tx, id).await?;
        // The appointment was given to somebody else before the lock, so that the locks are the wrong ones.
        if (state.specialist_id, state.patient_id) != (seen.specialist_id, seen.patient_id) {
            return Err(StaleVersion::now(state.version).into());
        }
        Ok((tx, state))
    }

    /// Locks the appointment against other changes; returns its state.
    pub(crate) async fn state(
        &self,
        tx: &mut impl Tx,
        id: AppointmentId,
    ) -> Result<AppointmentState, AppointmentError> {
        repository::appointment_lock(tx, id).await?.ok_or(AppointmentError::NotFound)
    }

    /// Changes the status of an appointment to `to` and records `event`.
    pub(super) async fn advance(
        &self,
        caller: &Caller,
        id: AppointmentId,
        to: AppointmentStatus,
        event: fn(Booked) -> AppointmentEvent,
    ) -> Result<Appointment, AppointmentError> {
        let (mut tx, state) = self.locked(caller, id, None).await?;
        let appointment = self.step(&mut tx, id, &state, to).await?;
        tx.commit(event((&appointment).into())).await?;
        Ok(self.opened(appointment).await?)
    }

    /// Changes the status to `to` if the state machine allows it.
    pub(crate) async fn step(
        &self,
        tx: &mut impl Tx,
        id: AppointmentId,
        state: &AppointmentState,
        to: AppointmentStatus,
    ) -> Result<AppointmentRow, AppointmentError> {
        state.check(to)?;
        let done = repository::appointment_transition(tx, id, state.status, to).await?;
        done.ok_or(AppointmentError::InvalidTransition { from: state.status, to })
    }

    pub(super) async fn cancel(
        &self,
        caller: &Caller,
        id: AppointmentId,
        cancel: &CancelAppointment,
    ) -> Result<Appointment, AppointmentError> {
        let mut tx = self.database.write(caller).await?;
        let state = self.state(&mut tx, id).await?;
        if state.status == AppointmentStatus::Cancelled {
            return Err(AppointmentError::AlreadyCancelled);
        }
        state.check(AppointmentStatus::Cancelled)?;
        if caller.role() == Some(Role::Patient) && state.cancellable_until <= Utc::now() {
            return Err(AppointmentError::CancellationTooLate);
        }
        let mut cancelled = repository::appointments_cancel(&mut tx, &[id], cancel.reason).await?;
        let appointment = cancelled.pop().ok_or(AppointmentError::NotFound)?;
        tx.commit(AppointmentEvent::Cancelled((&appointment).into())).await?;
        Ok(self.opened(appointment).await?)
    }
}
