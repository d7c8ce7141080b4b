//! Links, impersonations, holds and logins that end with the role of a member.

use crate::{
    domain::{
        appointment::{AppointmentEvent, HoldEnd},
        calendar::CalendarFeedEvent,
        impersonation::ImpersonationEvent,
        patient::PatientEvent,
        specialist::SpecialistEvent,
    },
    event::Events,
    ids::{AppointmentId, CalendarFeedId, ImpersonationId, PatientId, SpecialistId},
};

/// Something that a member had as what it was, and has no more.
pub(super) struct Ended {
    pub(super) kind: EndedKind,
    pub(super) id: i64,
    /// Specialist whose time is free again, if a held appointment ended; otherwise `None`.
    pub(super) specialist_id: Option<SpecialistId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(super) enum EndedKind {
    /// The link to its calendar.
    CalendarFeed,
    /// An impersonation of it, or by it.
    Impersonation,
    /// An appointment that it held.
    Appointment,
    /// Its login to this specialist record.
    Specialist,
    /// Its login to this patient record.
    Patient,
}

impl Ended {
    /// Returns the event of it.
    pub(super) fn event(&self) -> Events {
        match self.kind {
            EndedKind::CalendarFeed => CalendarFeedEvent::Revoked(CalendarFeedId(self.id)).into(),
            EndedKind::Impersonation => ImpersonationEvent::Ended(ImpersonationId(self.id)).into(),
            EndedKind::Appointment => {
                let hold = HoldEnd { id: AppointmentId(self.id), freed: self.specialist_id };
                AppointmentEvent::Released(hold).into()
            }
            EndedKind::Specialist => SpecialistEvent::Updated(SpecialistId(self.id), vec!["user_id"]).into(),
            EndedKind::Patient => PatientEvent::Updated(PatientId(self.id), vec!["user_id"]).into(),
        }
    }
}
