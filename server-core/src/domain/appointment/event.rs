//! Events of appointments.

use chrono::{DateTime, Utc};

use super::{row::AppointmentRow, status::AppointmentStatus, transition::AppointmentState};
use crate::{
    domain::appointment_template::Modality,
    event::Event,
    ids::{AppointmentId, AppointmentSeriesId, SpecialistId},
};

/// Event of an appointment.
#[derive(Debug, Clone)]
pub(crate) enum AppointmentEvent {
    /// The clinic created it.
    Created(Booked),
    /// An open slot or a hold was booked.
    Booked(Booked),
    /// An open slot was held.
    Held(Booked),
    /// An open slot was offered to an entry of the waitlist.
    Offered(Booked),
    /// It was confirmed.
    Confirmed(Booked),
    /// It was started.
    Started(Booked),
    /// It was completed.
    Completed(Booked),
    /// The patient did not come.
    NoShow(Booked),
    /// Its fields were replaced.
    Updated {
        /// State after the change.
        now: Booked,
        /// Time and specialist before the change.
        before: Place,
        /// Names of the fields whose values differ.
        changed: Vec<&'static str>,
    },
    /// It was moved to another time or specialist.
    Rescheduled {
        /// State after the change.
        now: Booked,
        /// Time and specialist before the change.
        before: Place,
    },
    /// It names another patient, into whose record that of its patient was merged.
    Reassigned(AppointmentId),
    /// It was cancelled.
    Cancelled(Booked),
    /// It was deleted.
    Deleted(Removed),
    /// A hold was released, or its holder lost the right to it.
    Released(HoldEnd),
    /// A hold lapsed.
    Expired(HoldEnd),
    /// An offer was withdrawn.
    Withdrawn(HoldEnd),
    /// A participant got a token for its video room.
    Joined(AppointmentId),
}

/// Status, modality, time and specialist of an appointment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Booked {
    pub(crate) id: AppointmentId,
    pub(crate) status: AppointmentStatus,
    pub(crate) modality: Modality,
    pub(crate) place: Place,
}

/// Time and specialist of an appointment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) specialist_id: SpecialistId,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) ended_at: DateTime<Utc>,
}

/// Deleted appointment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Removed {
    pub(crate) id: AppointmentId,
    pub(crate) modality: Modality,
    pub(crate) specialist_id: SpecialistId,
}

/// Hold that has ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HoldEnd {
    pub(crate) id: AppointmentId,
    /// Specialist whose time the end of the hold frees; `None` if the transaction that ended the hold takes the time.
    pub(crate) freed: Option<SpecialistId>,
}

impl AppointmentEvent {
    /// Converts holds that have ended, each with the specialist whose time is free again, into events.
    pub(crate) fn of_holds(
        event: fn(HoldEnd) -> Self,
        ended: impl IntoIterator<Item = (AppointmentId, SpecialistId)>,
    ) -> Vec<Self> {
        ended.into_iter().map(|(id, specialist)| event(HoldEnd { id, freed: Some(specialist) })).collect()
    }

    /// Returns the specialist whose time the event frees, if it frees any.
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
            | Self::Reassigned(_)
            | Self::Joined(_) => None,
        }
    }

    /// Returns the appointment if it takes place by video and its room has to be created, moved or deleted. A hold has
    /// no room.
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
            | Self::Reassigned(_)
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
            Self::Reassigned(id) | Self::Joined(id) => *id,
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
            Self::Updated { .. } | Self::Reassigned(_) => "updated",
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
        match self {
            Self::Updated { changed, .. } => changed.clone(),
            Self::Reassigned(_) => vec!["patient_id"],
            _ => Vec::new(),
        }
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

impl From<&AppointmentState> for Place {
    fn from(state: &AppointmentState) -> Self {
        Self { specialist_id: state.specialist_id, started_at: state.started_at, ended_at: state.ended_at }
    }
}

/// Event of a series of appointments.
#[derive(Debug, Clone)]
pub(crate) enum AppointmentSeriesEvent {
    /// It was booked.
    Created(AppointmentSeriesId),
    /// Its fields were replaced.
    Updated {
        /// Id of the series.
        id: AppointmentSeriesId,
        /// Names of the fields whose values differ.
        changed: Vec<&'static str>,
    },
    /// Appointments of it were cancelled.
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
