//! Changes that a merge makes, and reasons for which it makes none.

use chrono::{DateTime, Utc};

use crate::{
    domain::{
        appointment::{AppointmentEvent, AppointmentSeriesEvent, HoldEnd},
        impersonation::ImpersonationEvent,
        invitation::InvitationEvent,
        waitlist::WaitlistEvent,
    },
    event::Events,
    ids::{AppointmentId, AppointmentSeriesId, ImpersonationId, InvitationId, SpecialistId, WaitlistEntryId},
};

/// Row that `patient_merge` of the database returns; its comment there describes each kind.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) kind: ChangeKind,
    pub(super) id: i64,
    /// Second id or version of some kinds.
    pub(super) other: Option<i64>,
    /// Time of the merge.
    pub(super) since: Option<DateTime<Utc>>,
}

/// Kind of a change, or reason for which there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(super) enum ChangeKind {
    /// A record does not exist.
    NotThere,
    /// A record has another version.
    NotCurrent,
    /// The record was merged into another patient.
    NotAlone,
    /// One of the two is being erased.
    NotErasing,
    /// A user is linked to each of the two.
    NotTwoUsers,
    /// Two appointments overlap.
    NotAtOnce,
    /// The same merge was made before.
    Known,
    /// A lapsed hold was expired.
    HoldExpired,
    /// An appointment was moved.
    Appointment,
    /// A series was moved.
    Series,
    /// An entry of the waitlist was moved.
    WaitlistEntry,
    /// An entry of the waitlist was deleted, because the patient has another one for the same.
    WaitlistEntryDeleted,
    /// The offer of a deleted entry was released.
    OfferReleased,
    /// An invitation was revoked.
    Invitation,
    /// An impersonation ended.
    Impersonation,
    /// The link to a user was moved.
    User,
    /// The record was merged.
    Merged,
}

impl Change {
    /// Returns the event of something that belongs to the records; `None` for the records themselves.
    pub(super) fn event(&self) -> Option<Events> {
        let hold = HoldEnd { id: AppointmentId(self.id), freed: self.other.map(SpecialistId) };
        Some(match self.kind {
            ChangeKind::HoldExpired => AppointmentEvent::Expired(hold).into(),
            ChangeKind::OfferReleased => AppointmentEvent::Released(hold).into(),
            ChangeKind::Appointment => AppointmentEvent::Reassigned(AppointmentId(self.id)).into(),
            ChangeKind::Series => {
                let id = AppointmentSeriesId(self.id);
                AppointmentSeriesEvent::Updated { id, changed: vec!["patient_id"] }.into()
            }
            ChangeKind::WaitlistEntry => WaitlistEvent::Reassigned(WaitlistEntryId(self.id)).into(),
            ChangeKind::WaitlistEntryDeleted => WaitlistEvent::Deleted(WaitlistEntryId(self.id)).into(),
            ChangeKind::Invitation => InvitationEvent::Revoked(InvitationId(self.id)).into(),
            ChangeKind::Impersonation => ImpersonationEvent::Ended(ImpersonationId(self.id)).into(),
            ChangeKind::NotThere
            | ChangeKind::NotCurrent
            | ChangeKind::NotAlone
            | ChangeKind::NotErasing
            | ChangeKind::NotTwoUsers
            | ChangeKind::NotAtOnce
            | ChangeKind::Known
            | ChangeKind::User
            | ChangeKind::Merged => return None,
        })
    }
}
