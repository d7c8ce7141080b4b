//! What is open, brought to who waits.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::{error::WaitlistError, event::WaitlistEvent, model::Waiting, repository, service::Service};
use crate::{
    database::{Lock, OpenReader},
    domain::{
        appointment::{AppointmentError, AppointmentEvent, Wanted, offer_make},
        availability::{AvailabilityError, OpenSlot, Openings, openings},
        period::Period,
    },
    event::Events,
    identity::Caller,
    ids::{AppointmentTemplateId, OrganizationId, SpecialistId},
};

/// How many slots are tried for an entry before it has to wait for the next look: each that fails was taken
/// within milliseconds.
const TRIES: usize = 3;

/// How long before its beginning a slot can last be offered: nobody hears of it and comes in less.
const SHORTEST: TimeDelta = TimeDelta::minutes(15);

/// What is open, by what it is booked as.
type Open = BTreeMap<Option<AppointmentTemplateId>, Openings>;

/// What became of a slot that somebody was to be offered.
enum Outcome {
    /// It is offered.
    Offered,
    /// It is open no more.
    Gone,
    /// The entry does not wait any more.
    Over,
}

impl Service {
    /// Offers what is open with a specialist now to who waits for it, who waits longest first. Done again, it
    /// finds nobody who waits for what is open.
    pub(super) async fn offer_open(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        specialist: SpecialistId,
    ) -> Result<(), WaitlistError> {
        let now = Utc::now();
        let mut reader = self.database.read(caller).open().await?;
        let mut open = open(&mut reader, specialist, now).await?;
        if open.is_empty() {
            return Ok(());
        }
        let waiting = repository::waiting_for(&mut reader, specialist).await?;
        // What follows may wait for locks.
        drop(reader);
        for entry in &waiting {
            for _ in 0..TRIES {
                let of_entry = open.get(&entry.template_id);
                let suits = |openings: &Openings| openings.slots().iter().find(|slot| entry.takes(slot)).copied();
                let Some(slot) = of_entry.and_then(suits) else { break };
                let outcome = self.offer(caller, organization, specialist, entry, &slot).await?;
                if matches!(outcome, Outcome::Over) {
                    break;
                }
                for openings in open.values_mut() {
                    openings.give(&slot);
                }
                if matches!(outcome, Outcome::Offered) {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Offers a slot, if it is still open and the entry still waits.
    async fn offer(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        specialist: SpecialistId,
        entry: &Waiting,
        slot: &OpenSlot,
    ) -> Result<Outcome, WaitlistError> {
        let OpenSlot { started_at, ended_at, .. } = *slot;
        let locks = vec![Lock::Specialist(organization, specialist), Lock::Patient(organization, entry.patient_id)];
        let mut tx = self.database.write_locked(caller, locks).await?;
        let time = Period { start: started_at, end: ended_at };
        if !repository::waiting_lock(&mut tx, entry.id, specialist, time).await? {
            return Ok(Outcome::Over);
        }
        let wanted = Wanted { specialist, patient: entry.patient_id, template: entry.template_id, started_at };
        match offer_make(&mut tx, organization, &wanted, entry.id).await {
            // Another length than was looked at: it may not suit.
            Ok((offer, _)) if offer.ended_at != ended_at => Ok(Outcome::Gone),
            Ok((offer, expired)) => {
                let offered = Events::from(AppointmentEvent::Offered((&offer).into()));
                tx.commit(offered.and([WaitlistEvent::Offered(entry.id)]).and(expired)).await?;
                Ok(Outcome::Offered)
            }
            Err(AppointmentError::SlotTaken | AppointmentError::Slot(AvailabilityError::NotOffered)) => {
                Ok(Outcome::Gone)
            }
            // The patient, the specialist or the template went meanwhile.
            Err(AppointmentError::Invalid(_)) => Ok(Outcome::Over),
            Err(error) => Err(error.into()),
        }
    }
}

/// What is open of what somebody waits for, as far as any of them could come.
async fn open(reader: &mut OpenReader, specialist: SpecialistId, now: DateTime<Utc>) -> Result<Open, WaitlistError> {
    let awaited = repository::awaited(reader, specialist).await?;
    let from = awaited.iter().map(|(_, requested)| requested.start).min();
    let to = awaited.iter().map(|(_, requested)| requested.end).max();
    let mut open = Open::new();
    let Some((from, to)) = from.zip(to) else { return Ok(open) };
    let from = from.max(now + SHORTEST);
    for template in awaited.into_iter().map(|(template, _)| template).collect::<BTreeSet<_>>() {
        match openings(reader, specialist, template, from, to, now).await {
            Ok(openings) if openings.slots().is_empty() => {}
            Ok(openings) => drop(open.insert(template, openings)),
            // Archived or gone in this moment.
            Err(AvailabilityError::SpecialistNotFound | AvailabilityError::TemplateNotFound) => {}
            Err(error) => return Err(AppointmentError::from(error).into()),
        }
    }
    Ok(open)
}
