//! Events of appointments.

use chrono::{DateTime, Utc};

use super::{row::AppointmentRow, status::AppointmentStatus, transition::Standing};
use crate::{
    domain::appointment_template::Modality,
    event::Event,
    ids::{AppointmentId, AppointmentSeriesId, SpecialistId},
};

/// Something that happened to an appointment.
#[derive(Debug, Clone)]
pub(crate) enum AppointmentEvent {
    /// The clinic has entered it.
    Created(Booked),
    /// An open slot, or what was held, has been booked.
    Booked(Booked),
    /// An open slot is kept for somebody for a while.
    Held(Booked),
    /// An open slot is kept for somebody on the waitlist.
    Offered(Booked),
    /// The patient will come.
    Confirmed(Booked),
    /// It has begun.
    Started(Booked),
    /// It has taken place.
    Completed(Booked),
    /// The patient did not come.
    NoShow(Booked),
    /// Some of its fields have other values.
    Updated {
        /// As it is now.
        now: Booked,
        /// When and with whom it was.
        before: Place,
        /// Names of the fields that really changed.
        changed: Vec<&'static str>,
    },
    /// It has moved to another time or specialist.
    Rescheduled {
        /// As it is now.
        now: Booked,
        /// When and with whom it was.
        before: Place,
    },
    /// It has been called off.
    Cancelled(Booked),
    /// It has been deleted.
    Deleted(Removed),
    /// Its holder has given a hold back, or may not hold it any more.
    Released(HoldEnd),
    /// A hold has run out.
    Expired(HoldEnd),
    /// An offer can't be kept.
    Withdrawn(HoldEnd),
    /// Somebody has a token for its room.
    Joined(AppointmentId),
}

/// State and place of an appointment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Booked {
    pub(crate) id: AppointmentId,
    pub(crate) status: AppointmentStatus,
    pub(crate) modality: Modality,
    pub(crate) place: Place,
}

/// When an appointment takes place, and with whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) specialist_id: SpecialistId,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) ended_at: DateTime<Utc>,
}

/// An appointment that is there no more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Removed {
    pub(crate) id: AppointmentId,
    pub(crate) modality: Modality,
    pub(crate) specialist_id: SpecialistId,
}

/// A hold that has ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HoldEnd {
    pub(crate) id: AppointmentId,
    /// The specialist whose time is free again; `None` if whatever ended the hold takes the time itself.
    pub(crate) freed: Option<SpecialistId>,
}

impl AppointmentEvent {
    /// Returns the events of holds that have ended, each with the specialist whose time is free again.
    pub(crate) fn of_holds(
        event: fn(HoldEnd) -> Self,
        ended: impl IntoIterator<Item = (AppointmentId, SpecialistId)>,
    ) -> Vec<Self> {
        ended.into_iter().map(|(id, specialist)| event(HoldEnd { id, freed: Some(specialist) })).collect()
    }

    /// Returns the specialist who has time that was not free before; `None` if nobody has.
    pub(crate) fn freed(&self) -> Option<SpecialistId> {
        match self {
            Self::Updated { now, before, .. } | Self::Rescheduled { now, before } => {
                (now.place != *before).then_some(before.specialist_id)
            }
            Self::NoShow(booked) | Self::Cancelled(booked) => Some(booked.place.specialist_id),
            Self::Deleted(removed) => Some(removed.specialist_id),
            Self::Released(hold) | Self::Expired(hold) | Self::Withdrawn(hold) => hold.freed,
            Self::Created(_)
            | Self::Booked(_)
            | Self::Held(_)
            | Self::Offered(_)
            | Self::Confirmed(_)
            | Self::Started(_)
            | Self::Completed(_)
            | Self::Joined(_) => None,
        }
    }

    /// Returns the appointment if it is by video and its room has to be made, moved or taken away. A hold has no
    /// room yet.
    pub(crate) fn moves_room(&self) -> Option<AppointmentId> {
        let with_room = |id, modality, status: Option<AppointmentStatus>| {
            (modality == Modality::Video && status != Some(AppointmentStatus::Held)).then_some(id)
        };
        match self {
            Self::Created(booked)
            | Self::Booked(booked)
            | Self::NoShow(booked)
            | Self::Updated { now: booked, .. }
            | Self::Rescheduled { now: booked, .. }
            | Self::Cancelled(booked) => with_room(booked.id, booked.modality, Some(booked.status)),
            Self::Deleted(removed) => with_room(removed.id, removed.modality, None),
            Self::Held(_)
            | Self::Offered(_)
            | Self::Confirmed(_)
            | Self::Started(_)
            | Self::Completed(_)
            | Self::Released(_)
            | Self::Expired(_)
            | Self::Withdrawn(_)
            | Self::Joined(_) => None,
        }
    }
}

impl Event for AppointmentEvent {
    type Of = AppointmentId;

    fn of(&self) -> AppointmentId {
        match self {
            Self::Created(booked)
            | Self::Booked(booked)
            | Self::Held(booked)
            | Self::Offered(booked)
            | Self::Confirmed(booked)
            | Self::Started(booked)
            | Self::Completed(booked)
            | Self::NoShow(booked)
            | Self::Updated { now: booked, .. }
            | Self::Rescheduled { now: booked, .. }
            | Self::Cancelled(booked) => booked.id,
            Self::Deleted(removed) => removed.id,
            Self::Released(hold) | Self::Expired(hold) | Self::Withdrawn(hold) => hold.id,
            Self::Joined(id) => *id,
        }
    }

    fn verb(&self) -> &'static str {
        match self {
            Self::Created(_) => "created",
            Self::Booked(_) => "booked",
            Self::Held(_) => "held",
            Self::Offered(_) => "offered",
            Self::Confirmed(_) => "confirmed",
            Self::Started(_) => "started",
            Self::Completed(_) => "completed",
            Self::NoShow(_) => "missed",
            Self::Updated { .. } => "updated",
            Self::Rescheduled { .. } => "rescheduled",
            Self::Cancelled(_) => "cancelled",
            Self::Deleted(_) => "deleted",
            Self::Released(_) => "released",
            Self::Expired(_) => "expired",
            Self::Withdrawn(_) => "withdrawn",
            Self::Joined(_) => "joined",
        }
    }

    fn changed(&self) -> Vec<&'static str> {
        if let Self::Updated { changed, .. } = self { changed.clone() } else { Vec::new() }
    }
}

impl From<&AppointmentRow> for Booked {
    fn from(row: &AppointmentRow) -> Self {
        Self { id: row.id, status: row.status, modality: row.modality, place: row.into() }
    }
}

impl From<&AppointmentRow> for Place {
    fn from(row: &AppointmentRow) -> Self {
        Self { specialist_id: row.specialist_id, started_at: row.started_at, ended_at: row.ended_at }
    }
}

impl From<&Standing> for Place {
    fn from(standing: &Standing) -> Self {
        Self { specialist_id: standing.specialist_id, started_at: standing.started_at, ended_at: standing.ended_at }
    }
}

/// Something that happened to a series of appointments as a whole.
#[derive(Debug, Clone)]
pub(crate) enum AppointmentSeriesEvent {
    /// It has been booked.
    Created(AppointmentSeriesId),
    /// Some of its fields have other values.
    Updated {
        /// The series.
        id: AppointmentSeriesId,
        /// Names of the fields that really changed.
        changed: Vec<&'static str>,
    },
    /// Appointments of it have been called off.
    Cancelled(AppointmentSeriesId),
}

impl Event for AppointmentSeriesEvent {
    type Of = AppointmentSeriesId;

    fn of(&self) -> AppointmentSeriesId {
        match self {
            Self::Created(id) | Self::Updated { id, .. } | Self::Cancelled(id) => *id,
        }
    }

    fn verb(&self) -> &'static str {
        match self {
            Self::Created(_) => "created",
            Self::Updated { .. } => "updated",
            Self::Cancelled(_) => "cancelled",
        }
    }

    fn changed(&self) -> Vec<&'static str> {
        if let Self::Updated { changed, .. } = self { changed.clone() } else { Vec::new() }
    }
}
