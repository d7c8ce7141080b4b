//! Offers of open slots to waiting entries.

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

/// Number of slots tried for an entry in one run. Each one that fails was taken after it was read, within milliseconds.
const TRIES: usize = 3;

/// Shortest time from the offer to the beginning of its slot. The patient needs time to notice the offer and to come.
const SHORTEST: TimeDelta = TimeDelta::minutes(15);

/// Open slots by template.
type Open = BTreeMap<Option<AppointmentTemplateId>, Openings>;

/// Result of an attempt to offer a slot.
enum Outcome {
    /// The slot is offered.
    Offered,
    /// The slot is not open any more.
    Gone,
    /// The entry does not wait any more.
    Over,
}

impl Service {
    /// Offers the open slots of a specialist to the entries that wait for them, the longest waiting first. Repeated, it
    /// changes nothing.
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
        // Releases the connection before waiting for locks.
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

    /// Offers a slot if it is still open and the entry still waits.
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
            // The slot has another length than when it was read, and may not match the entry.
            Ok((offer, _)) if offer.ended_at != ended_at => Ok(Outcome::Gone),
            Ok((offer, expired)) => {
                let offered = Events::from(AppointmentEvent::Offered((&offer).into()));
                tx.commit(offered.and([WaitlistEvent::Offered(entry.id)]).and(expired)).await?;
                Ok(Outcome::Offered)
            }
            Err(AppointmentError::SlotTaken | AppointmentError::Slot(AvailabilityError::NotOffered)) => {
                Ok(Outcome::Gone)
            }
            // The patient, the specialist or the template was deleted meanwhile.
            Err(AppointmentError::Invalid(_)) => Ok(Outcome::Over),
            Err(error) => Err(error.into()),
        }
    }
}

/// Returns the open slots of each template that an entry waits for, within the union of their ranges.
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
            // Archived or deleted meanwhile.
            Err(AvailabilityError::SpecialistNotFound | AvailabilityError::TemplateNotFound) => {}
            Err(error) => return Err(AppointmentError::from(error).into()),
        }
    }
    Ok(open)
}
