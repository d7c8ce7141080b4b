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

/// Something that ended with the former role of a member.
pub(super) struct Ended {
    pub(super) kind: EndedKind,
    pub(super) id: i64,
    /// Specialist of a held appointment that ended; otherwise `None`.
    pub(super) specialist_id: Option<SpecialistId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(super) enum EndedKind {
    /// Calendar feed of the member.
    CalendarFeed,
    /// Impersonation of the member, or by it.
    Impersonation,
    /// Appointment that the member held.
    Appointment,
    /// Link of a specialist record to the member.
    Specialist,
    /// Link of a patient record to the member.
    Patient,
}

impl Ended {
    /// Returns its event.
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
