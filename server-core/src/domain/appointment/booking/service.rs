use chrono::Utc;
use uuid::Uuid;

use super::{
    super::{
        error::AppointmentError,
        event::{AppointmentEvent, HoldEnd},
        model::Appointment,
        row::AppointmentRow,
        service::Service,
        status::AppointmentStatus,
        title::{TitleSeal, Titled},
        transition::Standing,
    },
    model::{BookAppointment, Hold, HoldAppointment, Source, Wanted},
    repository,
};
use crate::{
    database::{DatabaseError, Lock, Tx, WriteTx},
    domain::{availability::open_slot, period::Period, rules::InvalidValue},
    event::Events,
    identity::{Actor, Caller},
    ids::{AppointmentId, OrganizationId, PatientId, SpecialistId, UserId, WaitlistEntryId},
};

impl Service {
    /// Keeps an open slot for the caller.
    pub(super) async fn hold(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        hold: &HoldAppointment,
    ) -> Result<Appointment, AppointmentError> {
        let own = Hold::of(holder_of(caller)?);
        self.take(caller, organization, &hold.wanted(caller)?, "", Some(&own)).await
    }

    /// Gives a slot back.
    pub(super) async fn release(&self, caller: &Caller, id: AppointmentId) -> Result<(), AppointmentError> {
        let mut tx = self.database.write(caller).await?;
        let standing = self.standing(&mut tx, id).await?;
        standing.check(AppointmentStatus::Expired)?;
        check_holder(&standing, &holder_of(caller)?)?;
        let appointment = self.step(&mut tx, id, &standing, AppointmentStatus::Expired).await?;
        let freed = Some(appointment.specialist_id);
        tx.commit(AppointmentEvent::Released(HoldEnd { id, freed })).await?;
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
            Source::Hold(hold) => self.hold_book(caller, organization, hold, book.title.as_str()).await,
            Source::Slot(wanted) => self.take(caller, organization, &wanted, book.title.as_str(), None).await,
        }
    }

    /// Takes an open slot: for a while when it is held, else for good.
    async fn take(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        wanted: &Wanted,
        title: &str,
        hold: Option<&Hold>,
    ) -> Result<Appointment, AppointmentError> {
        let Wanted { specialist, patient, .. } = *wanted;
        let locks = vec![Lock::Specialist(organization, specialist), Lock::Patient(organization, patient)];
        let uid = Uuid::new_v4();
        let sealed = TitleSeal::of(&self.keys, organization).await?.seal(Titled::Appointment, uid, title);
        let mut tx = self.database.write_locked(caller, locks).await?;
        let named = (uid, sealed.as_deref());
        let (appointment, expired) = slot_take(&mut tx, organization, caller.user_id, wanted, named, hold).await?;
        let taken = if hold.is_some() { AppointmentEvent::Held } else { AppointmentEvent::Booked };
        tx.commit(Events::from(taken((&appointment).into())).and(expired)).await?;
        Ok(appointment.with(title.to_owned()))
    }

    async fn hold_book(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: AppointmentId,
        title: &str,
    ) -> Result<Appointment, AppointmentError> {
        let seal = TitleSeal::of(&self.keys, organization).await?;
        let locked = self.locked(caller, id, None).await;
        let (mut tx, standing) = locked.map_err(|error| match error {
            AppointmentError::NotFound => {
                InvalidValue::new("/hold_id", "unknown_reference", "is no hold that you may see").into()
            }
            other => other,
        })?;
        let sealed = seal.seal(Titled::Appointment, standing.uid, title);
        let appointment = held_book(&mut tx, caller, id, &standing, holder_of(caller), sealed.as_deref()).await?;
        tx.commit(AppointmentEvent::Booked((&appointment).into())).await?;
        Ok(appointment.with(title.to_owned()))
    }

    /// Books what an entry of the waitlist is offered. To be called under the locks of specialist and
    /// patient.
    pub(crate) async fn offer_book(
        &self,
        tx: &mut WriteTx,
        caller: &Caller,
        id: AppointmentId,
        entry: WaitlistEntryId,
    ) -> Result<(Appointment, AppointmentEvent), AppointmentError> {
        let standing = self.standing(tx, id).await?;
        let appointment = held_book(tx, caller, id, &standing, Ok(Hold::of_entry(entry)), None).await?;
        let booked = AppointmentEvent::Booked((&appointment).into());
        // Nobody has been asked for a title.
        Ok((appointment.with(String::new()), booked))
    }
}

/// Offers an open slot to who waits for one, by a hold that [`Service::offer_book`] alone books. To be
/// called under the locks of specialist and patient; returns the events of holds that gave way.
pub(crate) async fn offer_make(
    tx: &mut WriteTx,
    organization: OrganizationId,
    wanted: &Wanted,
    entry: WaitlistEntryId,
) -> Result<(AppointmentRow, Vec<AppointmentEvent>), AppointmentError> {
    slot_take(tx, organization, None, wanted, (Uuid::new_v4(), None), Some(&Hold::offer(entry))).await
}

/// Ends what an entry of the waitlist is offered: each hold, and whose time is free again.
pub(crate) async fn offer_release(
    tx: &mut WriteTx,
    entry: WaitlistEntryId,
) -> Result<Vec<(AppointmentId, SpecialistId)>, DatabaseError> {
    repository::offer_end(tx, entry, false).await
}

/// Takes back what an entry is offered, for it can't be kept: it counts as never offered.
pub(crate) async fn offer_withdraw(
    tx: &mut WriteTx,
    entry: WaitlistEntryId,
) -> Result<Vec<(AppointmentId, SpecialistId)>, DatabaseError> {
    repository::offer_end(tx, entry, true).await
}

/// Takes an open slot; returns the appointment and the events of holds that gave way. What it is `named`
/// is its uid and the title that is sealed for it. To be called under the locks of specialist and patient.
async fn slot_take(
    tx: &mut impl Tx,
    organization: OrganizationId,
    user: Option<UserId>,
    wanted: &Wanted,
    named: (Uuid, Option<&[u8]>),
    hold: Option<&Hold>,
) -> Result<(AppointmentRow, Vec<AppointmentEvent>), AppointmentError> {
    let Wanted { specialist, patient, template, started_at } = *wanted;
    let slot = open_slot(tx, organization, specialist, template, started_at, Utc::now(), None).await?;
    let block = Period { start: slot.block_start, end: slot.block_end };
    let expired = expire(tx, &[specialist], patient, &[block]).await?;
    let taken = repository::slot_take(tx, organization, user, wanted, &slot, named, hold).await?;
    let appointment = taken.ok_or_else(|| {
        let message = "is no patient of this organization that you may see";
        InvalidValue::new("/patient_id", "unknown_reference", message)
    })?;
    Ok((appointment, expired))
}

/// Books a hold, if it is this holder's. To be called under the locks of specialist and patient.
async fn held_book(
    tx: &mut WriteTx,
    caller: &Caller,
    id: AppointmentId,
    standing: &Standing,
    holder: Result<String, AppointmentError>,
    title: Option<&[u8]>,
) -> Result<AppointmentRow, AppointmentError> {
    if standing.lapsed {
        return Err(AppointmentError::HoldExpired);
    }
    standing.check(AppointmentStatus::Scheduled)?;
    check_holder(standing, &holder?)?;
    Ok(repository::hold_book(tx, id, title, caller.user_id).await?)
}

/// Expires lapsed holds that overlap `blocks`; returns their events. Whoever asks takes the time itself.
pub(crate) async fn expire(
    tx: &mut impl Tx,
    specialists: &[SpecialistId],
    patient: PatientId,
    blocks: &[Period],
) -> Result<Vec<AppointmentEvent>, DatabaseError> {
    let expired = repository::holds_expire(tx, specialists, patient, blocks).await?;
    Ok(expired.into_iter().map(|id| AppointmentEvent::Expired(HoldEnd { id, freed: None })).collect())
}

fn check_holder(standing: &Standing, holder: &str) -> Result<(), AppointmentError> {
    if standing.holder.as_deref() == Some(holder) { Ok(()) } else { Err(AppointmentError::HoldNotOwn) }
}

/// Who holds what the caller holds: a person or a program, by its id.
fn holder_of(caller: &Caller) -> Result<String, AppointmentError> {
    match caller.request.actor {
        Actor::User(user) => Ok(format!("user:{user}")),
        Actor::ApiKey(key) => Ok(format!("api_key:{key}")),
        Actor::System | Actor::Anonymous => Err(AppointmentError::HoldNotOwn),
    }
}
