//! Transfer of the change of one appointment to others of its series.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::{
    super::{
        title::{TitleSeal, Titled},
        transition::AppointmentState,
    },
    clock,
    model::{SeriesScope, UpdateAppointmentSeries},
    repository::Change,
};
use crate::ids::AppointmentId;

/// Decrypted titles by appointment.
pub(super) type Titles = BTreeMap<AppointmentId, String>;

/// Returns the appointments in `scope` that can still change. A `scheduled` or `confirmed` appointment whose start is
/// past changes only if it is the anchor.
pub(super) fn chosen<'a>(
    states: &'a [AppointmentState],
    scope: SeriesScope,
    anchor: Option<&'a AppointmentState>,
    now: DateTime<Utc>,
) -> impl Iterator<Item = &'a AppointmentState> {
    let is_anchor = move |state: &AppointmentState| anchor.is_some_and(|anchor| anchor.id == state.id);
    states.iter().filter(move |state| {
        let is_meant = match scope {
            SeriesScope::One => is_anchor(state),
            SeriesScope::Following => anchor.is_some_and(|anchor| anchor.started_at <= state.started_at),
            SeriesScope::All => true,
        };
        is_meant && state.status.is_booked() && (is_anchor(state) || state.started_at > now)
    })
}

/// Change of one appointment, the anchor, that is transferred to others.
pub(super) struct Shift<'a> {
    anchor: &'a AppointmentState,
    to: &'a UpdateAppointmentSeries,
    zone: Tz,
    titles: &'a Titles,
    seal: &'a TitleSeal,
    /// Difference between the new and the old local time.
    by: TimeDelta,
}

/// New values of one appointment.
pub(super) struct Shifted {
    pub(super) change: Change,
    /// `true` if its new local time does not exist.
    pub(super) is_skipped: bool,
    /// `true` if it is the anchor.
    pub(super) is_anchor: bool,
}

impl<'a> Shift<'a> {
    /// Creates the shift that turns the anchor into `to`.
    pub(super) fn new(
        anchor: &'a AppointmentState,
        to: &'a UpdateAppointmentSeries,
        zone: Tz,
        titles: &'a Titles,
        seal: &'a TitleSeal,
    ) -> Self {
        let by = clock::shown(zone, to.started_at.get()) - clock::shown(zone, anchor.started_at);
        Self { anchor, to, zone, titles, seal, by }
    }

    /// Applies the shift to an appointment: takes over the fields that change for the anchor and keeps the others.
    pub(super) fn of(&self, state: &AppointmentState) -> Shifted {
        let Self { anchor, to, .. } = self;
        let is_anchor = state.id == anchor.id;
        let (started_at, is_skipped) = if is_anchor {
            (to.started_at.get(), false)
        } else if self.by == TimeDelta::zero() {
            (state.started_at, false)
        } else {
            let moved = clock::moment(self.zone, clock::shown(self.zone, state.started_at) + self.by);
            (moved.at, moved.skipped)
        };
        let lasted = |state: &AppointmentState| state.ended_at - state.started_at;
        let lasts = *unless_same(&lasted(anchor), &(to.ended_at.get() - to.started_at.get()), &lasted(state));
        let ended_at = started_at + lasts;
        let title_of = |state: &AppointmentState| self.titles.get(&state.id).map_or("", String::as_str);
        let title = unless_same(title_of(anchor), to.title.as_str(), title_of(state));
        let change = Change {
            id: state.id,
            title: self.seal.seal(Titled::Appointment, state.uid, title),
            specialty_id: *unless_same(&anchor.specialty_id, &to.specialty_id, &state.specialty_id),
            specialist_id: *unless_same(&anchor.specialist_id, &to.specialist_id, &state.specialist_id),
            started_at,
            ended_at,
            block: state.block_at(started_at, ended_at),
        };
        Shifted { change, is_skipped, is_anchor }
    }
}

/// Returns `own` if the anchor's field does not change from `from` to `to`, else `to`.
fn unless_same<'a, T: PartialEq + ?Sized>(from: &T, to: &'a T, own: &'a T) -> &'a T {
    if from == to { own } else { to }
}
