//! Whether what a change makes of a series' appointments can be.

use std::{collections::BTreeSet, ops::Range};

use chrono::{DateTime, Utc};

use super::{
    super::{error::AppointmentError, transition::Standing},
    model::ConflictReason,
    plan::{self, Wish},
    repository::{self, Change, SeriesRow},
    service::obstacle,
    shift::Shifted,
};
use crate::{
    database::WriteTx,
    domain::{
        availability::{self, AvailabilityError, Offered},
        period::Period,
    },
    ids::{OrganizationId, SpecialistId},
};

/// With whom appointments are to be.
struct Calendar {
    specialist: SpecialistId,
    /// What is known of its times; nothing of one who has left the clinic.
    offered: Option<Offered>,
    /// What it or the patient is kept out of by others.
    taken: Vec<Period>,
}

/// Which of the changes can't be; they are in the order of `chosen`. To be called under the locks of the
/// patient and of everybody who treats before or after.
pub(super) async fn fit(
    tx: &mut WriteTx,
    organization: OrganizationId,
    series: &SeriesRow,
    chosen: &[&Standing],
    wanted: &[Shifted],
    now: DateTime<Utc>,
) -> Result<Vec<Option<ConflictReason>>, AppointmentError> {
    let moving: Vec<_> =
        chosen.iter().copied().zip(wanted).filter(|(standing, wanted)| moves(standing, &wanted.change)).collect();
    let Some(within) = hull(moving.iter().map(|(_, wanted)| wanted.change.block)) else {
        return Ok(vec![None; wanted.len()]);
    };
    let taken = repository::patient_blocks(tx, series.patient_id, &within).await?;
    let with_patient: Vec<_> = taken.into_iter().filter(|block| !is_own(&moving, block, None)).collect();
    // Who is named in the body has to be there; of the others one may have left.
    let named = wanted.iter().find(|wanted| wanted.is_anchor).map(|wanted| wanted.change.specialist_id);
    let mut calendars = Vec::new();
    for specialist in moving.iter().map(|(_, wanted)| wanted.change.specialist_id).collect::<BTreeSet<_>>() {
        let offered = availability::offered(tx, organization, specialist, None, within.start, within.end).await;
        let offered = match offered {
            Err(AvailabilityError::SpecialistNotFound) if named != Some(specialist) => None,
            offered => Some(offered?),
        };
        let blocks = offered.iter().flat_map(Offered::blocks);
        let mut taken: Vec<_> = blocks.map(|block| Period { start: block.start, end: block.end }).collect();
        taken.retain(|block| !is_own(&moving, block, Some(specialist)));
        taken.extend(&with_patient);
        calendars.push(Calendar { specialist, offered, taken });
    }
    let wishes = chosen.iter().zip(wanted).map(|(standing, wanted)| {
        let obstacle = if moves(standing, &wanted.change) { in_the_way(wanted, &calendars, now) } else { None };
        Wish { block: wanted.change.block, now: Some(standing.block()), obstacle }
    });
    Ok(plan::conflicts(&wishes.collect::<Vec<_>>()))
}

fn moves(standing: &Standing, change: &Change) -> bool {
    (standing.specialist_id, standing.block()) != (change.specialist_id, change.block)
}

/// Whether a block is one that a moving appointment leaves, of those with a specialist, if one is named. No
/// two active ones of a specialist or of a patient overlap, so what looks like one of theirs is nobody else's.
fn is_own(moving: &[(&Standing, &Shifted)], block: &Period, with: Option<SpecialistId>) -> bool {
    let mut theirs = moving.iter().filter(|(standing, _)| with.is_none_or(|with| with == standing.specialist_id));
    theirs.any(|(standing, _)| standing.block() == *block)
}

fn in_the_way(wanted: &Shifted, calendars: &[Calendar], now: DateTime<Utc>) -> Option<ConflictReason> {
    let Change { specialist_id, started_at, ended_at, block, .. } = wanted.change;
    // Where the one that was named goes was said; where the others go then may not have been thought of.
    if !wanted.is_anchor && started_at <= now {
        return Some(ConflictReason::TimePast);
    }
    let calendar = calendars.iter().find(|calendar| calendar.specialist == specialist_id)?;
    let Some(offered) = &calendar.offered else { return Some(ConflictReason::SpecialistAway) };
    let left_out = wanted.is_skipped.then_some(ConflictReason::TimeSkipped);
    left_out.or_else(|| obstacle(started_at..ended_at, block, offered, &calendar.taken))
}

/// The time in which everything lies that may be in the way of these blocks.
fn hull(blocks: impl Iterator<Item = Period> + Clone) -> Option<Range<DateTime<Utc>>> {
    let start = blocks.clone().map(|block| block.start).min()?;
    let end = blocks.map(|block| block.end).max()?;
    Some(start - plan::MARGIN..end + plan::MARGIN)
}
