//! Links, impersonations, holds and logins that end with the role of a member.

use crate::{
    audit::Audit,
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
    /// Returns the audit entry for it.
    pub(super) fn audit(&self) -> Audit {
        match self.kind {
            EndedKind::CalendarFeed => Audit::action("revoked", &CalendarFeedId(self.id)),
            EndedKind::Impersonation => Audit::action("ended", &ImpersonationId(self.id)),
            EndedKind::Appointment => Audit::action("released", &AppointmentId(self.id)),
            EndedKind::Specialist => Audit::updated(&SpecialistId(self.id), vec!["user_id"]),
            EndedKind::Patient => Audit::updated(&PatientId(self.id), vec!["user_id"]),
        }
    }
}
