use chrono::Utc;
use server_shared::http::{Page, Paging};

use super::{
    super::{
        booking,
        error::AppointmentError,
        event::{AppointmentEvent, Place},
        model::Appointment,
        row::AppointmentRow,
        service::{Service, check_own, check_period},
        status::AppointmentStatus,
    },
    model::{Reschedule, RescheduleAppointment},
    repository::{self, Move},
};
use crate::{
    domain::{
        availability::{AvailabilityError, open_slot},
        rules::{InvalidValue, StaleVersion},
    },
    event::Events,
    identity::{Caller, Role},
    ids::{AppointmentId, OrganizationId},
};

impl Service {
    /// Moves an appointment: the clinic to any free time, a patient to an open slot and until the cut-off.
    pub(super) async fn reschedule(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: AppointmentId,
        change: &RescheduleAppointment,
    ) -> Result<Appointment, AppointmentError> {
        let (mut tx, state) = self.locked(caller, id, change.specialist_id).await?;
        if let Some(version) = change.version {
            StaleVersion::check(version, state.version)?;
        }
        if !state.status.is_booked() {
            let to = AppointmentStatus::Scheduled;
            return Err(AppointmentError::InvalidTransition { from: state.status, to });
        }
        let specialist = change.specialist_id.unwrap_or(state.specialist_id);
        let (started_at, now) = (change.started_at.get(), Utc::now());
        let ended_at = started_at + (state.ended_at - state.started_at);
        check_period(started_at, ended_at, now)?;
        if caller.role() == Some(Role::Patient) {
            if state.movable_until <= now {
                return Err(AppointmentError::RescheduleTooLate);
            }
            let template = state.appointment_template_id;
            let slot = open_slot(&mut tx, organization, specialist, template, started_at, now, Some(id)).await;
            let slot = slot.map_err(|error| match error {
                // An archived template has no slots.
                AvailabilityError::TemplateNotFound => AvailabilityError::NotOffered,
                other => other,
            })?;
            // The appointment keeps its duration, which may be longer than the present slots.
            if slot.ended_at < ended_at {
                return Err(AvailabilityError::NotOffered.into());
            }
        } else {
            check_own(caller, specialist)?;
        }
        let block = state.block_at(started_at, ended_at);
        let expired = booking::expire(&mut tx, &[specialist], state.patient_id, &[block]).await?;
        let to = Move { specialist, started_at, ended_at, block };
        let moved = repository::appointment_move(&mut tx, organization, id, &to).await?.ok_or_else(|| {
            InvalidValue::new("/specialist_id", "unknown_reference", "is no specialist of this organization")
        })?;
        repository::record(&mut tx, &[&state], caller.user_id).await?;
        let rescheduled = AppointmentEvent::Rescheduled { now: (&moved).into(), before: Place::from(&state) };
        tx.commit(Events::from(rescheduled).and(expired)).await?;
        Ok(self.opened(moved).await?)
    }

    /// Returns a page of the moves of an appointment, earliest first.
    pub(super) async fn reschedules(
        &self,
        caller: &Caller,
        id: AppointmentId,
        paging: Paging,
    ) -> Result<Page<Reschedule>, AppointmentError> {
        let mut reader = self.database.read(caller).open().await?;
        reader.get::<AppointmentRow>(id).await?.ok_or(AppointmentError::NotFound)?;
        Ok(repository::reschedule_page(&mut reader, id, paging).await?)
    }
}
