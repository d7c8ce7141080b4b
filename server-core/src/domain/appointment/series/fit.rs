//! Check of a change of a series for conflicts.

use std::{collections::BTreeSet, ops::Range};

use chrono::{DateTime, Utc};

use super::{
    super::{error::AppointmentError, transition::AppointmentState},
    model::ConflictReason,
    plan::{self, Placement},
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

/// Calendar of a specialist that appointments are moved to.
struct TargetCalendar {
    specialist: SpecialistId,
    /// Schedule and bookings of the specialist; `None` if it has left the clinic.
    offered: Option<Offered>,
    /// Times that other appointments of the specialist or the patient block.
    taken: Vec<Period>,
}

/// Returns the conflict of each change in `wanted`, in the order of `chosen`. The caller holds the locks of the patient
/// and of all specialists before and after the change.
pub(super) async fn fit(
    tx: &mut WriteTx,
    organization: OrganizationId,
    series: &SeriesRow,
    chosen: &[&AppointmentState],
    wanted: &[Shifted],
    now: DateTime<Utc>,
) -> Result<Vec<Option<ConflictReason>>, AppointmentError> {
    let moving: Vec<_> =
        chosen.iter().copied().zip(wanted).filter(|(state, wanted)| moves(state, &wanted.change)).collect();
    let Some(within) = hull(moving.iter().map(|(_, wanted)| wanted.change.block)) else {
        return Ok(vec![None; wanted.len()]);
    };
    let taken = repository::patient_blocks(tx, series.patient_id, &within).await?;
    let with_patient: Vec<_> = taken.into_iter().filter(|block| !is_own(&moving, block, None)).collect();
    // The specialist named in the body must exist; another specialist of the series may have left.
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
        calendars.push(TargetCalendar { specialist, offered, taken });
    }
    let placements = chosen.iter().zip(wanted).map(|(state, wanted)| {
        let obstacle = if moves(state, &wanted.change) { in_the_way(wanted, &calendars, now) } else { None };
        Placement { block: wanted.change.block, now: Some(state.block()), obstacle }
    });
    Ok(plan::conflicts(&placements.collect::<Vec<_>>()))
}

fn moves(state: &AppointmentState, change: &Change) -> bool {
    (state.specialist_id, state.block()) != (change.specialist_id, change.block)
}

/// Returns `true` if `block` is the present block of a moving appointment; with `with`, of one of this specialist.
/// Active appointments of a specialist or a patient never overlap, so equal blocks belong to the same appointment.
fn is_own(moving: &[(&AppointmentState, &Shifted)], block: &Period, with: Option<SpecialistId>) -> bool {
    let mut theirs = moving.iter().filter(|(state, _)| with.is_none_or(|with| with == state.specialist_id));
    theirs.any(|(state, _)| state.block() == *block)
}

fn in_the_way(wanted: &Shifted, calendars: &[TargetCalendar], now: DateTime<Utc>) -> Option<ConflictReason> {
    let Change { specialist_id, started_at, ended_at, block, .. } = wanted.change;
    // The named appointment may be moved into the past on purpose; the others may not follow it there.
    if !wanted.is_anchor && started_at <= now {
        return Some(ConflictReason::TimePast);
    }
    let calendar = calendars.iter().find(|calendar| calendar.specialist == specialist_id)?;
    let Some(offered) = &calendar.offered else { return Some(ConflictReason::SpecialistAway) };
    let left_out = wanted.is_skipped.then_some(ConflictReason::TimeSkipped);
    left_out.or_else(|| obstacle(started_at..ended_at, block, offered, &calendar.taken))
}

/// Returns the range that contains everything that can overlap the blocks.
fn hull(blocks: impl Iterator<Item = Period> + Clone) -> Option<Range<DateTime<Utc>>> {
    let start = blocks.clone().map(|block| block.start).min()?;
    let end = blocks.map(|block| block.end).max()?;
    Some(start - plan::MARGIN..end + plan::MARGIN)
}
