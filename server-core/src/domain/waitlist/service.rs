use chrono::Utc;
use server_shared::http::{Page, Paging};

use super::{
    error::WaitlistError,
    event::WaitlistEvent,
    model::{CreateWaitlistEntry, Standing, WaitlistEntry, WaitlistFilter},
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

/// Who waits for a slot.
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

    /// Puts a patient on the waitlist; what is open already is offered at once.
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

    /// Takes an entry off the waitlist; what it was offered is open again.
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

    /// Books what an entry is offered; `meant` is the offer that the caller knows of, if it says so.
    pub(super) async fn accept(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: WaitlistEntryId,
        meant: Option<AppointmentId>,
    ) -> Result<Appointment, WaitlistError> {
        let mut reader = self.database.read(caller).open().await?;
        let seen = repository::entry_standing(&mut reader, id).await?.ok_or(WaitlistError::NotFound)?;
        drop(reader);
        let (offer, specialist) = offered(&seen)?;
        if meant.is_some_and(|meant| meant != offer) {
            return Err(WaitlistError::OfferExpired);
        }
        let locks = vec![Lock::Specialist(organization, specialist), Lock::Patient(organization, seen.patient_id)];
        let mut tx = self.database.write_locked(caller, locks.clone()).await?;
        let standing = repository::entry_lock(&mut tx, id).await?.ok_or(WaitlistError::NotFound)?;
        // Another one by now is not what the caller knows of, and may need another lock.
        if offered(&standing)? != (offer, specialist) {
            return Err(WaitlistError::OfferExpired);
        }
        if !is_kept(&mut tx, organization, specialist, &standing).await? {
            drop(tx);
            self.withdraw(caller, locks, id).await?;
            return Err(WaitlistError::OfferExpired);
        }
        let (appointment, booked) = self.appointments.offer_book(&mut tx, caller, offer, id).await?;
        repository::entry_book(&mut tx, id, offer).await?;
        tx.commit(Events::from(booked).and([WaitlistEvent::Accepted(id)])).await?;
        Ok(appointment)
    }

    /// Takes back an offer that can't be kept, and looks for another. The request that found out is refused,
    /// and all that it did undone; this is not its doing, and stays.
    async fn withdraw(&self, caller: &Caller, locks: Vec<Lock>, id: WaitlistEntryId) -> Result<(), WaitlistError> {
        let mut tx = self.database.write_apart(caller, locks).await?;
        let withdrawn = appointment::offer_withdraw(&mut tx, id).await?;
        // It has run out or was let go in between.
        if withdrawn.is_empty() {
            return Ok(());
        }
        let withdrawn = AppointmentEvent::of_holds(AppointmentEvent::Withdrawn, withdrawn);
        tx.commit(Events::from(WaitlistEvent::Withdrawn(id)).and(withdrawn)).await?;
        Ok(())
    }
}

/// Whether the specialist can still keep what was offered: it may have fallen ill since. That its hours or its
/// notice are others by now does not matter.
async fn is_kept(
    tx: &mut impl Tx,
    organization: OrganizationId,
    specialist: SpecialistId,
    standing: &Standing,
) -> Result<bool, WaitlistError> {
    let Some((from, to)) = standing.offer_started_at.zip(standing.offer_ended_at) else { return Ok(false) };
    match availability::offered(tx, organization, specialist, None, from, to).await {
        Ok(offered) => Ok(offered.is_bookable() && !offered.is_away(from, to)),
        Err(AvailabilityError::SpecialistNotFound) => Ok(false),
        Err(error) => Err(AppointmentError::from(error).into()),
    }
}

/// What is offered, and whose slot it is; else why nothing is.
fn offered(standing: &Standing) -> Result<(AppointmentId, SpecialistId), WaitlistError> {
    match (standing.offer_id, standing.offer_specialist_id) {
        _ if standing.booked => Err(WaitlistError::AlreadyBooked),
        (Some(offer), Some(specialist)) => Ok((offer, specialist)),
        _ if standing.had_offer => Err(WaitlistError::OfferExpired),
        _ => Err(WaitlistError::NoOffer),
    }
}
