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
    model::Standing,
    repository,
};
use crate::{
    database::{Lock, Tx, WriteTx},
    domain::rules::StaleVersion,
    identity::{Caller, Role},
    ids::{AppointmentId, SpecialistId},
};

impl Service {
    /// Opens a transaction for a change that has to keep its time, or to find another: with the locks that
    /// bookings of its specialist, of `also` and of its patient take, and the row locked.
    ///
    /// A booking that has got as far as the constraints waits for whoever changes a row in its way; that
    /// one must not come to wait for it in turn.
    pub(crate) async fn locked(
        &self,
        caller: &Caller,
        id: AppointmentId,
        also: Option<SpecialistId>,
    ) -> Result<(WriteTx, Standing), AppointmentError> {
        let seen = self.row(caller, id).await?;
        let specialists = [Some(seen.specialist_id), also];
        let mut locks = vec![Lock::Patient(seen.organization_id, seen.patient_id)];
        locks.extend(specialists.into_iter().flatten().map(|id| Lock::Specialist(seen.organization_id, id)));
        let mut tx = self.database.write_locked(caller, locks).await?;
        let standing = self.standing(&mut tx, id).await?;
        // Between the two it became another's, whose lock is not held.
        if (standing.specialist_id, standing.patient_id) != (seen.specialist_id, seen.patient_id) {
            return Err(StaleVersion::now(standing.version).into());
        }
        Ok((tx, standing))
    }

    /// The appointment as it stands, locked against other changes.
    pub(crate) async fn standing(&self, tx: &mut impl Tx, id: AppointmentId) -> Result<Standing, AppointmentError> {
        repository::appointment_lock(tx, id).await?.ok_or(AppointmentError::NotFound)
    }

    /// Brings an appointment to its next state, which `event` states.
    pub(super) async fn advance(
        &self,
        caller: &Caller,
        id: AppointmentId,
        to: AppointmentStatus,
        event: fn(Booked) -> AppointmentEvent,
    ) -> Result<Appointment, AppointmentError> {
        let (mut tx, standing) = self.locked(caller, id, None).await?;
        let appointment = self.step(&mut tx, id, &standing, to).await?;
        tx.commit(event((&appointment).into())).await?;
        Ok(self.opened(appointment).await?)
    }

    /// Writes the next state, if it may follow.
    pub(crate) async fn step(
        &self,
        tx: &mut impl Tx,
        id: AppointmentId,
        standing: &Standing,
        to: AppointmentStatus,
    ) -> Result<AppointmentRow, AppointmentError> {
        standing.check(to)?;
        let done = repository::appointment_transition(tx, id, standing.status, to).await?;
        done.ok_or(AppointmentError::InvalidTransition { from: standing.status, to })
    }

    pub(super) async fn cancel(
        &self,
        caller: &Caller,
        id: AppointmentId,
        cancel: &CancelAppointment,
    ) -> Result<Appointment, AppointmentError> {
        let mut tx = self.database.write(caller).await?;
        let standing = self.standing(&mut tx, id).await?;
        if standing.status == AppointmentStatus::Cancelled {
            return Err(AppointmentError::AlreadyCancelled);
        }
        standing.check(AppointmentStatus::Cancelled)?;
        if caller.role() == Some(Role::Patient) && standing.is_within(standing.cancellation_cutoff_minutes, Utc::now())
        {
            return Err(AppointmentError::CancellationTooLate);
        }
        let mut cancelled = repository::appointments_cancel(&mut tx, &[id], cancel.reason).await?;
        let appointment = cancelled.pop().ok_or(AppointmentError::NotFound)?;
        tx.commit(AppointmentEvent::Cancelled((&appointment).into())).await?;
        Ok(self.opened(appointment).await?)
    }
}
