//! What becomes of the appointments of a series when one of them changes.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::{
    super::{
        title::{TitleSeal, Titled},
        transition::Standing,
    },
    clock,
    model::{SeriesScope, UpdateAppointmentSeries},
    repository::Change,
};
use crate::ids::AppointmentId;

/// Titles of appointments in clear text, by the appointment's id.
pub(super) type Titles = BTreeMap<AppointmentId, String>;

/// Which appointments a change is about: what the scope takes in and can still change. What has begun
/// without anybody having said so changes only when it is named.
pub(super) fn chosen<'a>(
    standings: &'a [Standing],
    scope: SeriesScope,
    anchor: Option<&'a Standing>,
    now: DateTime<Utc>,
) -> impl Iterator<Item = &'a Standing> {
    let is_anchor = move |standing: &Standing| anchor.is_some_and(|anchor| anchor.id == standing.id);
    standings.iter().filter(move |standing| {
        let is_meant = match scope {
            SeriesScope::One => is_anchor(standing),
            SeriesScope::Following => anchor.is_some_and(|anchor| anchor.started_at <= standing.started_at),
            SeriesScope::All => true,
        };
        is_meant && standing.status.is_booked() && (is_anchor(standing) || standing.started_at > now)
    })
}

/// A change of one appointment, to be carried over to others.
pub(super) struct Shift<'a> {
    anchor: &'a Standing,
    to: &'a UpdateAppointmentSeries,
    zone: Tz,
    titles: &'a Titles,
    seal: &'a TitleSeal,
    /// By how much the time moves on the clock.
    by: TimeDelta,
}

/// What becomes of one appointment.
pub(super) struct Shifted {
    pub(super) change: Change,
    /// Whether clocks leave its new time out.
    pub(super) is_skipped: bool,
    /// Whether it is the one whose change was asked for.
    pub(super) is_anchor: bool,
}

impl<'a> Shift<'a> {
    /// What takes the anchor to what the body says it becomes.
    pub(super) fn new(
        anchor: &'a Standing,
        to: &'a UpdateAppointmentSeries,
        zone: Tz,
        titles: &'a Titles,
        seal: &'a TitleSeal,
    ) -> Self {
        let by = clock::shown(zone, to.started_at) - clock::shown(zone, anchor.started_at);
        Self { anchor, to, zone, titles, seal, by }
    }

    /// What becomes of an appointment: what differs is carried over, what does not stays its own.
    pub(super) fn of(&self, standing: &Standing) -> Shifted {
        let Self { anchor, to, .. } = self;
        let is_anchor = standing.id == anchor.id;
        let (started_at, is_skipped) = if is_anchor {
            (to.started_at, false)
        } else if self.by == TimeDelta::zero() {
            (standing.started_at, false)
        } else {
            let moved = clock::moment(self.zone, clock::shown(self.zone, standing.started_at) + self.by);
            (moved.at, moved.skipped)
        };
        let lasted = |standing: &Standing| standing.ended_at - standing.started_at;
        let lasts = *unless_same(&lasted(anchor), &(to.ended_at - to.started_at), &lasted(standing));
        let ended_at = started_at + lasts;
        let title_of = |standing: &Standing| self.titles.get(&standing.id).map_or("", String::as_str);
        let title = unless_same(title_of(anchor), to.title.as_str(), title_of(standing));
        let change = Change {
            id: standing.id,
            title: self.seal.seal(Titled::Appointment, standing.uid, title),
            specialty_id: *unless_same(&anchor.specialty_id, &to.specialty_id, &standing.specialty_id),
            specialist_id: *unless_same(&anchor.specialist_id, &to.specialist_id, &standing.specialist_id),
            started_at,
            ended_at,
            block: standing.block_at(started_at, ended_at),
        };
        Shifted { change, is_skipped, is_anchor }
    }
}

/// What one of several becomes, when that which leads them changes `from` something `to` something.
fn unless_same<'a, T: PartialEq + ?Sized>(from: &T, to: &'a T, own: &'a T) -> &'a T {
    if from == to { own } else { to }
}
