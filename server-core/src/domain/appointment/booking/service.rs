use chrono::{TimeDelta, Utc};
use server_shared::error::FieldFault;
use uuid::Uuid;

use super::{
    super::{
        error::{AppointmentError, unknown_patient},
        event::{AppointmentEvent, HoldEnd},
        model::Appointment,
        row::AppointmentRow,
        service::{Service, check_own, check_period},
        status::AppointmentStatus,
        title::{TitleSeal, Titled},
        transition::AppointmentState,
    },
    model::{BookAppointment, Hold, HoldAppointment, Source, TemplateBooking, Wanted},
    repository,
};
use crate::{
    database::{DatabaseError, Lock, Tx, WriteTx},
    domain::{
        appointment_template::Modality,
        availability::{OpenSlot, open_slot},
        period::Period,
        rules::InvalidValue,
    },
    event::Events,
    identity::{Actor, Caller},
    ids::{AppointmentId, OrganizationId, PatientId, SpecialistId, UserId, WaitlistEntryId},
};

impl Service {
    /// Holds an open slot for the caller.
    pub(super) async fn hold(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        hold: &HoldAppointment,
    ) -> Result<Appointment, AppointmentError> {
        let own = Hold::of(holder_of(caller)?);
        self.take(caller, organization, &hold.wanted(caller)?, "", Some(&own)).await
    }

    /// Releases a hold of the caller.
    pub(super) async fn release(&self, caller: &Caller, id: AppointmentId) -> Result<(), AppointmentError> {
        let mut tx = self.database.write(caller).await?;
        let state = self.state(&mut tx, id).await?;
        state.check(AppointmentStatus::Expired)?;
        check_holder(&state, &holder_of(caller)?)?;
        let appointment = self.step(&mut tx, id, &state, AppointmentStatus::Expired).await?;
        let freed = Some(appointment.specialist_id);
        tx.commit(AppointmentEvent::Released(HoldEnd { id, freed })).await?;
        Ok(())
    }

    /// Books an open slot or a hold of the caller.
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

    /// Holds an open slot if `hold` is given, else books it.
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
        let (appointment, expired) = open_slot_take(&mut tx, organization, caller.user_id, wanted, named, hold).await?;
        let taken = if hold.is_some() { AppointmentEvent::Held } else { AppointmentEvent::Booked };
        tx.commit(Events::from(taken((&appointment).into())).and(expired)).await?;
        Ok(appointment.with(title.to_owned()))
    }

    /// Books an appointment with a template at any time, within working hours or not, but never over another one.
    /// Returns the transaction, which is still open for what belongs to the appointment, and its events so far.
    pub(crate) async fn book_with_template(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        booking: &TemplateBooking<'_>,
    ) -> Result<(WriteTx, Appointment, Events), AppointmentError> {
        let TemplateBooking { template, specialist, patient, started_at, title } = *booking;
        // The end follows from the template, whose duration is bounded.
        check_period(started_at, started_at + TimeDelta::minutes(1), Utc::now())?;
        check_own(caller, specialist)?;
        let uid = Uuid::new_v4();
        let sealed = TitleSeal::of(&self.keys, organization).await?.seal(Titled::Appointment, uid, title);
        let locks = vec![Lock::Specialist(organization, specialist), Lock::Patient(organization, patient)];
        let mut tx = self.database.write_locked(caller, locks).await?;
        let slot = slot_of_template(&mut tx, organization, booking).await?;
        let wanted = Wanted { specialist, patient, template: Some(template), started_at };
        let named = (uid, sealed.as_deref());
        let (row, expired) = slot_take(&mut tx, organization, caller.user_id, &wanted, &slot, named, None).await?;
        let events = Events::from(AppointmentEvent::Created((&row).into())).and(expired);
        Ok((tx, row.with(title.to_owned()), events))
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
        let (mut tx, state) = locked.map_err(|error| match error {
            AppointmentError::NotFound => {
                InvalidValue::new("/hold_id", "unknown_reference", "is no hold that you may see").into()
            }
            other => other,
        })?;
        let sealed = seal.seal(Titled::Appointment, state.uid, title);
        let appointment = held_book(&mut tx, caller, id, &state, holder_of(caller), sealed.as_deref()).await?;
        tx.commit(AppointmentEvent::Booked((&appointment).into())).await?;
        Ok(appointment.with(title.to_owned()))
    }

    /// Books an entry's offer. The caller holds the locks of specialist and patient.
    pub(crate) async fn offer_book(
        &self,
        tx: &mut WriteTx,
        caller: &Caller,
        id: AppointmentId,
        entry: WaitlistEntryId,
    ) -> Result<(Appointment, AppointmentEvent), AppointmentError> {
        let state = self.state(tx, id).await?;
        let appointment = held_book(tx, caller, id, &state, Ok(Hold::of_entry(entry)), None).await?;
        let booked = AppointmentEvent::Booked((&appointment).into());
        // The request to accept an offer has no title.
        Ok((appointment.with(String::new()), booked))
    }
}

/// Offers an open slot to an entry of the waitlist, by a hold that only [`Service::offer_book`] can book. The caller
/// holds the locks of specialist and patient. Returns the offer and the events of lapsed holds that it expired.
pub(crate) async fn offer_make(
    tx: &mut WriteTx,
    organization: OrganizationId,
    wanted: &Wanted,
    entry: WaitlistEntryId,
) -> Result<(AppointmentRow, Vec<AppointmentEvent>), AppointmentError> {
    open_slot_take(tx, organization, None, wanted, (Uuid::new_v4(), None), Some(&Hold::offer(entry))).await
}

/// Expires the offers of an entry; returns each with its specialist.
pub(crate) async fn offer_release(
    tx: &mut WriteTx,
    entry: WaitlistEntryId,
) -> Result<Vec<(AppointmentId, SpecialistId)>, DatabaseError> {
    repository::offer_end(tx, entry, false).await
}

/// Withdraws the offers of an entry, which the specialist cannot keep: they do not count as offers that the patient let
/// lapse.
pub(crate) async fn offer_withdraw(
    tx: &mut WriteTx,
    entry: WaitlistEntryId,
) -> Result<Vec<(AppointmentId, SpecialistId)>, DatabaseError> {
    repository::offer_end(tx, entry, true).await
}

/// Holds or books a slot like [`slot_take`] if it is open.
async fn open_slot_take(
    tx: &mut impl Tx,
    organization: OrganizationId,
    user: Option<UserId>,
    wanted: &Wanted,
    named: (Uuid, Option<&[u8]>),
    hold: Option<&Hold>,
) -> Result<(AppointmentRow, Vec<AppointmentEvent>), AppointmentError> {
    let Wanted { specialist, template, started_at, .. } = *wanted;
    let slot = open_slot(tx, organization, specialist, template, started_at, Utc::now(), None).await?;
    slot_take(tx, organization, user, wanted, &slot, named, hold).await
}

/// Holds or books a slot; returns the appointment and the events of lapsed holds that it expired. `named` is the uid
/// and the sealed title. The caller holds the locks of specialist and patient.
async fn slot_take(
    tx: &mut impl Tx,
    organization: OrganizationId,
    user: Option<UserId>,
    wanted: &Wanted,
    slot: &OpenSlot,
    named: (Uuid, Option<&[u8]>),
    hold: Option<&Hold>,
) -> Result<(AppointmentRow, Vec<AppointmentEvent>), AppointmentError> {
    let block = Period { start: slot.block_start, end: slot.block_end };
    let expired = expire(tx, &[wanted.specialist], wanted.patient, &[block]).await?;
    let taken = repository::slot_take(tx, organization, user, wanted, slot, named, hold).await?;
    Ok((taken.ok_or_else(unknown_patient)?, expired))
}

/// Returns the time and terms of a booking with a template; refuses it with the fault of each reference that does not
/// exist.
async fn slot_of_template(
    tx: &mut impl Tx,
    organization: OrganizationId,
    booking: &TemplateBooking<'_>,
) -> Result<OpenSlot, AppointmentError> {
    let terms = repository::template_terms(tx, organization, booking).await?;
    let mut faults = Vec::new();
    let mut unknown = |pointer, message| faults.push(FieldFault::new(pointer, "unknown_reference", message));
    if terms.duration_minutes.is_none() {
        unknown("/appointment_template_id", "is no appointment template in use of this organization");
    }
    if !terms.specialist {
        unknown("/specialist_id", "is no specialist of this organization");
    }
    if !terms.patient {
        faults.extend(unknown_patient().into_faults());
    }
    InvalidValue::check(faults)?;
    let minutes = |minutes: Option<i32>| TimeDelta::minutes(minutes.unwrap_or_default().into());
    let started_at = booking.started_at;
    let ended_at = started_at + minutes(terms.duration_minutes);
    Ok(OpenSlot {
        started_at,
        ended_at,
        block_start: started_at - minutes(terms.buffer_before_minutes),
        block_end: ended_at + minutes(terms.buffer_after_minutes),
        specialty_id: terms.specialty_id,
        modality: terms.modality.unwrap_or(Modality::InPerson),
        cancellation_cutoff_minutes: terms.cancellation_cutoff_minutes.unwrap_or_default(),
        reschedule_cutoff_minutes: terms.reschedule_cutoff_minutes.unwrap_or_default(),
    })
}

/// Books a hold of `holder`. The caller holds the locks of specialist and patient.
async fn held_book(
    tx: &mut WriteTx,
    caller: &Caller,
    id: AppointmentId,
    state: &AppointmentState,
    holder: Result<String, AppointmentError>,
    title: Option<&[u8]>,
) -> Result<AppointmentRow, AppointmentError> {
    if state.lapsed {
        return Err(AppointmentError::HoldExpired);
    }
    state.check(AppointmentStatus::Scheduled)?;
    check_holder(state, &holder?)?;
    Ok(repository::hold_book(tx, id, title, caller.user_id).await?)
}

/// Expires lapsed holds that overlap `blocks`; returns their events. They free no time, because the caller takes it.
pub(crate) async fn expire(
    tx: &mut impl Tx,
    specialists: &[SpecialistId],
    patient: PatientId,
    blocks: &[Period],
) -> Result<Vec<AppointmentEvent>, DatabaseError> {
    let expired = repository::holds_expire(tx, specialists, patient, blocks).await?;
    Ok(expired.into_iter().map(|id| AppointmentEvent::Expired(HoldEnd { id, freed: None })).collect())
}

fn check_holder(state: &AppointmentState, holder: &str) -> Result<(), AppointmentError> {
    if state.holder.as_deref() == Some(holder) { Ok(()) } else { Err(AppointmentError::HoldNotOwn) }
}

/// Returns the holder that the caller's holds name: its user or its API key.
fn holder_of(caller: &Caller) -> Result<String, AppointmentError> {
    match caller.request.actor {
        Actor::User(user) => Ok(format!("user:{user}")),
        Actor::ApiKey(key) => Ok(format!("api_key:{key}")),
        Actor::System | Actor::Anonymous => Err(AppointmentError::HoldNotOwn),
    }
}
