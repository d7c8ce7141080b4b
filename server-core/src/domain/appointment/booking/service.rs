use chrono::Utc;

use super::{
    super::{
        error::AppointmentError,
        model::Appointment,
        service::{Service, room_follow},
        status::AppointmentStatus,
        transition::{Block, Standing},
    },
    model::{BookAppointment, HoldAppointment, Source, Wanted},
    repository,
};
use crate::{
    audit::{Actor, Audit},
    database::{DatabaseError, Lock, Tx},
    domain::{availability::open_slot, rules::InvalidValue},
    http::Caller,
    ids::{AppointmentId, OrganizationId, PatientId, SpecialistId},
};

impl Service {
    /// Keeps an open slot for the caller.
    pub(super) async fn hold(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        hold: &HoldAppointment,
    ) -> Result<Appointment, AppointmentError> {
        let holder = holder_of(caller)?;
        self.take(caller, organization, &hold.wanted(caller)?, "", Some(&holder)).await
    }

    /// Gives a slot back.
    pub(super) async fn release(&self, caller: &Caller, id: AppointmentId) -> Result<(), AppointmentError> {
        let mut tx = self.database.write(caller).await?;
        let standing = self.standing(&mut tx, id).await?;
        standing.check(AppointmentStatus::Expired)?;
        check_holder(caller, &standing)?;
        let appointment = self.step(&mut tx, id, &standing, AppointmentStatus::Expired).await?;
        tx.commit(Audit::action("released", &appointment)).await?;
        Ok(())
    }

    /// Books an open slot, or what the caller holds.
    pub(super) async fn book(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        book: &BookAppointment,
    ) -> Result<Appointment, AppointmentError> {
        match book.source(caller)? {
            Source::Hold(hold) => self.hold_book(caller, hold, &book.title).await,
            Source::Slot(wanted) => self.take(caller, organization, &wanted, &book.title, None).await,
        }
    }

    /// Takes an open slot: for a while when there is a `holder`, else for good.
    async fn take(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        wanted: &Wanted,
        title: &str,
        holder: Option<&str>,
    ) -> Result<Appointment, AppointmentError> {
        let Wanted { specialist, patient, template, started_at } = *wanted;
        let locks = vec![Lock::Specialist(organization, specialist), Lock::Patient(organization, patient)];
        let mut tx = self.database.write_locked(caller, locks).await?;
        let slot = open_slot(&mut tx, organization, specialist, template, started_at, Utc::now(), None).await?;
        let block = Block { start: slot.block_start, end: slot.block_end };
        let expired = expire(&mut tx, specialist, patient, block).await?;
        let user = caller.user_id;
        let taken = repository::slot_take(&mut tx, organization, user, wanted, &slot, title, holder).await?;
        let appointment = taken.ok_or_else(|| {
            let message = "is no patient of this organization that you may see";
            InvalidValue::new("/patient_id", "unknown_reference", message)
        })?;
        let action = if holder.is_some() { "held" } else { "booked" };
        room_follow(&mut tx, &appointment).await?;
        tx.commit(Audit::action(action, &appointment).and(expired)).await?;
        Ok(appointment)
    }

    async fn hold_book(
        &self,
        caller: &Caller,
        id: AppointmentId,
        title: &str,
    ) -> Result<Appointment, AppointmentError> {
        let locked = self.locked(caller, id, None).await;
        let (mut tx, standing) = locked.map_err(|error| match error {
            AppointmentError::NotFound => {
                InvalidValue::new("/hold_id", "unknown_reference", "is no hold that you may see").into()
            }
            other => other,
        })?;
        if standing.lapsed {
            return Err(AppointmentError::HoldExpired);
        }
        standing.check(AppointmentStatus::Scheduled)?;
        check_holder(caller, &standing)?;
        let appointment = repository::hold_book(&mut tx, id, title).await?;
        room_follow(&mut tx, &appointment).await?;
        tx.commit(Audit::action("booked", &appointment)).await?;
        Ok(appointment)
    }
}

/// Has holds give way that have run out and stand where `block` shall be; what the audit log says of it.
pub(crate) async fn expire(
    tx: &mut impl Tx,
    specialist: SpecialistId,
    patient: PatientId,
    block: Block,
) -> Result<Vec<Audit>, DatabaseError> {
    Ok(expirations(repository::holds_expire(tx, specialist, patient, block).await?).collect())
}

/// An entry for each hold that has run out.
pub(super) fn expirations(ids: Vec<AppointmentId>) -> impl Iterator<Item = Audit> {
    ids.into_iter().map(|id| Audit::action("expired", &id))
}

fn check_holder(caller: &Caller, standing: &Standing) -> Result<(), AppointmentError> {
    if standing.holder == Some(holder_of(caller)?) { Ok(()) } else { Err(AppointmentError::HoldNotOwn) }
}

/// Who holds what the caller holds: a person or a program, by its id.
fn holder_of(caller: &Caller) -> Result<String, AppointmentError> {
    match caller.request.actor {
        Actor::User(user) => Ok(format!("user:{user}")),
        Actor::ApiKey(key) => Ok(format!("api_key:{key}")),
        Actor::System | Actor::Anonymous => Err(AppointmentError::HoldNotOwn),
    }
}
