use chrono::{DateTime, TimeDelta, Utc};
use poem_openapi::{Object, types::Example};
use server_shared::mark::ShownOnce;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::ids::{AppointmentId, Entity, PatientId, SpecialistId};

/// Time before the start of an appointment at which its room opens.
const EARLY: TimeDelta = TimeDelta::minutes(15);
/// Time after the end of an appointment at which its room closes.
const LATE: TimeDelta = TimeDelta::minutes(30);

/// Token of one participant for one room.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct VideoToken {
    /// URL of the room, which requires the token.
    pub(crate) room_url: String,
    /// Secret token to pass to Daily's client library together with `room_url`.
    pub(crate) token: ShownOnce<String>,
    /// Time at which room and token expire, 30 minutes after the end of the appointment. Participants are then
    /// disconnected.
    pub(crate) expires_at: DateTime<Utc>,
}

impl Example for VideoToken {
    fn example() -> Self {
        Self {
            room_url: "https://clinic.daily.co/rx-5f0c7d3e4a0b4c6f9a550d2b6d1f3c11".to_owned(),
            token: ShownOnce::new("eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl".to_owned()),
            expires_at: DateTime::UNIX_EPOCH + TimeDelta::days(20_500),
        }
    }
}

/// Time during which a room is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OpenTime {
    pub(super) opens_at: DateTime<Utc>,
    pub(super) closes_at: DateTime<Utc>,
}

/// Appointment as far as its video room depends on it, and the room.
#[derive(Debug, Clone)]
pub(super) struct Meeting {
    pub(super) uid: Uuid,
    /// `true` if the appointment was deleted.
    pub(super) deleted: bool,
    pub(super) by_video: bool,
    /// `true` if the appointment is scheduled, confirmed or in progress.
    pub(super) standing: bool,
    pub(super) started_at: DateTime<Utc>,
    pub(super) ended_at: DateTime<Utc>,
    pub(super) patient_id: PatientId,
    pub(super) specialist_id: SpecialistId,
    /// Existing room.
    pub(super) room_url: Option<String>,
    pub(super) room_opens_at: Option<DateTime<Utc>>,
    pub(super) room_closes_at: Option<DateTime<Utc>>,
}

impl Meeting {
    /// Returns `true` if it needs a room.
    pub(super) fn takes_place(&self) -> bool {
        self.by_video && self.standing && !self.deleted
    }

    /// Returns the time during which its room is open.
    pub(super) fn open_time(&self) -> OpenTime {
        OpenTime { opens_at: self.started_at - EARLY, closes_at: self.ended_at + LATE }
    }

    /// Returns the address of the existing room if it is open at the right time.
    pub(super) fn room(&self) -> Option<&str> {
        let OpenTime { opens_at, closes_at } = self.open_time();
        let right = self.room_opens_at == Some(opens_at) && self.room_closes_at == Some(closes_at);
        self.room_url.as_deref().filter(|_| right)
    }

    /// Returns the name of the room at Daily. It does not disclose the uid, which links contain.
    pub(super) fn room_name(&self) -> String {
        format!("rx-{}", self.opaque("room"))
    }

    /// Returns the pseudonym of a participant at Daily, which differs from appointment to appointment.
    pub(super) fn pseudonym(&self, part: Part) -> String {
        self.opaque(part.label())
    }

    fn opaque(&self, what: &str) -> String {
        hex::encode(&Sha256::digest(format!("video {what} {}", self.uid))[..16])
    }
}

/// Role of a participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Specialist,
    Patient,
}

impl Part {
    /// Returns the label that other participants see instead of a name.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Specialist => "Specialist",
            Self::Patient => "Patient",
        }
    }
}

/// Room of an appointment, as the entity of audit entries.
#[derive(Debug, Clone)]
pub(crate) struct RoomOf(pub(super) AppointmentId);

impl Entity for RoomOf {
    const TYPE: &'static str = "video_room";

    fn entity_id(&self) -> String {
        self.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meeting(uid: u128) -> Meeting {
        let started_at = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        Meeting {
            uid: Uuid::from_u128(uid),
            deleted: false,
            by_video: true,
            standing: true,
            started_at,
            ended_at: started_at + TimeDelta::hours(1),
            patient_id: PatientId(1),
            specialist_id: SpecialistId(2),
            room_url: None,
            room_opens_at: None,
            room_closes_at: None,
        }
    }

    #[test]
    fn names_at_daily_are_fixed_by_the_appointment_and_say_nothing_of_it() {
        let (one, other) = (meeting(1), meeting(2));
        assert_eq!(one.room_name(), meeting(1).room_name());
        assert_ne!(one.room_name(), other.room_name());
        assert!(!one.room_name().contains(&one.uid.simple().to_string()));
        assert_ne!(one.pseudonym(Part::Patient), one.pseudonym(Part::Specialist));
        assert_ne!(
            one.pseudonym(Part::Patient),
            other.pseudonym(Part::Patient),
            "nobody is known from another meeting"
        );
        assert!(one.pseudonym(Part::Patient).len() <= 36, "Daily takes no longer ones");
    }

    #[test]
    fn a_room_that_is_open_at_another_time_is_none() {
        let mut meeting = meeting(1);
        meeting.room_url = Some("https://x".to_owned());
        assert_eq!(meeting.room(), None);
        let open_time = meeting.open_time();
        meeting.room_opens_at = Some(open_time.opens_at);
        meeting.room_closes_at = Some(open_time.closes_at);
        assert_eq!(meeting.room(), Some("https://x"));
        meeting.started_at += TimeDelta::minutes(1);
        assert_eq!(meeting.room(), None);
    }
}
