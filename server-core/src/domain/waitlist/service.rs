use chrono::Utc;
use server_shared::http::{Page, Paging};

use super::{
    error::WaitlistError,
    event::WaitlistEvent,
    model::{CreateWaitlistEntry, OfferState, WaitlistEntry, WaitlistFilter},
    repository,
};
use crate::{
    database::{Database, Lock, Tx},
    domain::{
        appointment::{self, Appointment, AppointmentError, AppointmentEvent},
        availability::{self, AvailabilityError},
    },
    event::Events,
    identity::{Caller, Changed},
    ids::{AppointmentId, OrganizationId, SpecialistId, WaitlistEntryId},
};

/// Entries of the waitlist and their offers.
#[derive(Clone)]
pub(crate) struct Service {
    pub(super) database: Database,
    pub(super) appointments: appointment::Service,
}

impl Service {
    pub(crate) fn new(database: Database, appointments: appointment::Service) -> Self {
        Self { database, appointments }
    }

    pub(super) async fn list(
        &self,
        caller: &Caller,
        filter: &WaitlistFilter,
        paging: Paging,
    ) -> Result<Page<WaitlistEntry>, WaitlistError> {
        let mut reader = self.database.read(caller).open().await?;
        Ok(repository::entry_page(&mut reader, filter, paging).await?)
    }

    /// Adds an entry to the waitlist. A job offers the slots that are open.
    pub(super) async fn create(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        create: &CreateWaitlistEntry,
    ) -> Result<WaitlistEntry, WaitlistError> {
        let wish = create.wish(caller, Utc::now())?;
        let mut tx = self.database.write_locked(caller, vec![Lock::Patient(organization, wish.patient)]).await?;
        let Some(entry) = repository::entry_create(&mut tx, organization, &wish).await? else {
            let waits = repository::unknown_reference(&mut tx, organization, &wish).await??;
            return Err(if waits { WaitlistError::AlreadyWaiting } else { WaitlistError::WaitlistFull });
        };
        let specialists = repository::specialists_of(&mut tx, organization, &wish).await?;
        tx.changed(Changed::Audience(entry.organization_id));
        tx.commit(WaitlistEvent::Created { id: entry.id, specialists }).await?;
        Ok(entry)
    }

    /// Deletes an entry and releases its offer.
    pub(super) async fn delete(&self, caller: &Caller, id: WaitlistEntryId) -> Result<(), WaitlistError> {
        let mut tx = self.database.write(caller).await?;
        if !repository::entry_delete(&mut tx, id).await? {
            return Err(WaitlistError::NotFound);
        }
        let released = appointment::offer_release(&mut tx, id).await?;
        let released = AppointmentEvent::of_holds(AppointmentEvent::Released, released);
        tx.commit(Events::from(WaitlistEvent::Deleted(id)).and(released)).await?;
        Ok(())
    }

    /// Books the offer of an entry. `meant` is the offer that the caller names, if any.
    pub(super) async fn accept(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: WaitlistEntryId,
        meant: Option<AppointmentId>,
    ) -> Result<Appointment, WaitlistError> {
        let mut reader = self.database.read(caller).open().await?;
        let seen = repository::offer_state(&mut reader, id).await?.ok_or(WaitlistError::NotFound)?;
        drop(reader);
        let (offer, specialist) = offered(&seen)?;
        if meant.is_some_and(|meant| meant != offer) {
            return Err(WaitlistError::OfferExpired);
        }
        let locks = vec![Lock::Specialist(organization, specialist), Lock::Patient(organization, seen.patient_id)];
        let mut tx = self.database.write_locked(caller, locks.clone()).await?;
        let state = repository::offer_lock(&mut tx, id).await?.ok_or(WaitlistError::NotFound)?;
        // A newer offer is not the one that the caller was shown, and may need other locks. So does an entry whose
        // patient was merged.
        if offered(&state)? != (offer, specialist) || state.patient_id != seen.patient_id {
            return Err(WaitlistError::OfferExpired);
        }
        if !is_kept(&mut tx, organization, specialist, &state).await? {
            drop(tx);
            self.withdraw(caller, locks, id).await?;
            return Err(WaitlistError::OfferExpired);
        }
        let (appointment, booked) = self.appointments.offer_book(&mut tx, caller, offer, id).await?;
        repository::entry_book(&mut tx, id, offer).await?;
        tx.commit(Events::from(booked).and([WaitlistEvent::Accepted(id)])).await?;
        Ok(appointment)
    }

    /// Withdraws an offer that the specialist cannot keep, in a transaction of its own: the request is refused and its
    /// transaction rolled back, but the withdrawal stays.
    async fn withdraw(&self, caller: &Caller, locks: Vec<Lock>, id: WaitlistEntryId) -> Result<(), WaitlistError> {
        let mut tx = self.database.write_apart(caller, locks).await?;
        let withdrawn = appointment::offer_withdraw(&mut tx, id).await?;
        // The offer has lapsed or was released meanwhile.
        if withdrawn.is_empty() {
            return Ok(());
        }
        let withdrawn = AppointmentEvent::of_holds(AppointmentEvent::Withdrawn, withdrawn);
        tx.commit(Events::from(WaitlistEvent::Withdrawn(id)).and(withdrawn)).await?;
        Ok(())
    }
}

/// Returns `true` if the specialist can keep the offer: it is bookable and not away at that time. Later changes of its
/// working hours or minimum notice do not matter.
async fn is_kept(
    tx: &mut impl Tx,
    organization: OrganizationId,
    specialist: SpecialistId,
    state: &OfferState,
) -> Result<bool, WaitlistError> {
    let Some((from, to)) = state.offer_started_at.zip(state.offer_ended_at) else { return Ok(false) };
    match availability::offered(tx, organization, specialist, None, from, to).await {
        Ok(offered) => Ok(offered.is_bookable() && !offered.is_away(from, to)),
        Err(AvailabilityError::SpecialistNotFound) => Ok(false),
        Err(error) => Err(AppointmentError::from(error).into()),
    }
}

/// Returns the offer and its specialist, or the reason why there is none.
fn offered(state: &OfferState) -> Result<(AppointmentId, SpecialistId), WaitlistError> {
    match (state.offer_id, state.offer_specialist_id) {
        _ if state.booked => Err(WaitlistError::AlreadyBooked),
        (Some(offer), Some(specialist)) => Ok((offer, specialist)),
        _ if state.had_offer => Err(WaitlistError::OfferExpired),
        _ => Err(WaitlistError::NoOffer),
    }
}
