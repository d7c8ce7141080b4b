use std::sync::Arc;

use chrono::Utc;

use super::{
    error::VideoError,
    event::RoomEvent,
    model::{Meeting, OpenTime, Part, RoomOf, VideoToken},
    repository,
};
use crate::{
    database::Database,
    domain::appointment::AppointmentEvent,
    identity::Caller,
    ids::AppointmentId,
    integration::daily::{Daily, Participant, Room},
};

/// Number of attempts to adapt a room while its appointment changes.
const TRIES: usize = 3;

/// Video rooms at Daily and their tokens.
#[derive(Clone)]
pub(crate) struct Service {
    database: Database,
    /// `None` if no API key is configured.
    daily: Option<Arc<Daily>>,
}

impl Service {
    pub(crate) fn new(database: Database, daily: Option<Daily>) -> Self {
        Self { database, daily: daily.map(Arc::new) }
    }

    /// Returns a token for the room of the caller's appointment, and creates the room if it does not exist.
    pub(super) async fn join(&self, caller: &Caller, id: AppointmentId) -> Result<VideoToken, VideoError> {
        let mut reader = self.database.read(caller).open().await?;
        let meeting = repository::meeting_get(&mut reader, id).await?;
        // Releases the connection before waiting for Daily.
        drop(reader);
        let meeting = meeting.filter(|meeting| !meeting.deleted).ok_or(VideoError::NotFound)?;
        let part = part(caller, &meeting).ok_or(VideoError::NotAParticipant)?;
        let open_time = check_open(&meeting)?;
        let daily = self.daily.as_deref().ok_or(VideoError::NotConfigured)?;
        let (room_url, OpenTime { opens_at, closes_at }) = match meeting.room() {
            Some(url) => (url.to_owned(), open_time),
            None => self.settle(daily, &caller.privileged(), id).await?.ok_or(VideoError::NotStanding)?,
        };
        let (name, user_id) = (meeting.room_name(), meeting.pseudonym(part));
        let room = Room { name: &name, opens_at, closes_at };
        let is_owner = part == Part::Specialist;
        let participant = Participant { user_id: &user_id, user_name: part.label(), is_owner };
        let token = daily.token_create(&room, &participant).await?;
        let tx = self.database.write(caller).await?;
        tx.commit(AppointmentEvent::Joined(id)).await?;
        Ok(VideoToken { room_url, token, expires_at: closes_at })
    }

    /// Creates, moves or deletes the room of an appointment. Without an API key nothing is done; the room is created
    /// when somebody joins after one was configured.
    pub(super) async fn follow(&self, caller: &Caller, id: AppointmentId) -> Result<(), VideoError> {
        if let Some(daily) = self.daily.as_deref() {
            self.settle(daily, caller, id).await?;
        }
        Ok(())
    }

    /// Creates or adapts the room; returns its address and the time during which it is open. Returns `None` if the
    /// appointment needs no room, and deletes the existing one.
    async fn settle(
        &self,
        daily: &Daily,
        caller: &Caller,
        id: AppointmentId,
    ) -> Result<Option<(String, OpenTime)>, VideoError> {
        for _ in 0..TRIES {
            let mut reader = self.database.read(caller).open().await?;
            let meeting = repository::meeting_get(&mut reader, id).await?;
            drop(reader);
            // The appointment was erased; its room expires by itself.
            let Some(meeting) = meeting else { return Ok(None) };
            let name = meeting.room_name();
            if !meeting.takes_place() {
                daily.room_delete(&name).await?;
                let mut tx = self.database.write_apart(caller, Vec::new()).await?;
                if repository::room_delete(&mut tx, id).await? {
                    tx.commit(RoomEvent::Deleted(RoomOf(id))).await?;
                }
                return Ok(None);
            }
            let open_time = meeting.open_time();
            let OpenTime { opens_at, closes_at } = open_time;
            if closes_at <= Utc::now() {
                // Daily refuses a room whose time has passed.
                return Ok(None);
            }
            let url = daily.room_put(&Room { name: &name, opens_at, closes_at }).await?;
            let mut tx = self.database.write_apart(caller, Vec::new()).await?;
            let event = match repository::room_store(&mut tx, id, &meeting, &url).await? {
                Some(true) => RoomEvent::Created(RoomOf(id)),
                Some(false) => RoomEvent::Updated(RoomOf(id), vec!["opens_at", "closes_at"]),
                // The appointment has changed since it was read, so the room is wrong.
                None => continue,
            };
            tx.commit(event).await?;
            return Ok(Some((url, open_time)));
        }
        Err(VideoError::Changing)
    }
}

/// Returns the role of the caller in the appointment; `None` if it is no participant.
fn part(caller: &Caller, meeting: &Meeting) -> Option<Part> {
    if caller.specialist_id() == Some(meeting.specialist_id) {
        Some(Part::Specialist)
    } else if caller.patient_id() == Some(meeting.patient_id) {
        Some(Part::Patient)
    } else {
        None
    }
}

/// Returns the time during which the room is open if it is open at present.
fn check_open(meeting: &Meeting) -> Result<OpenTime, VideoError> {
    if !meeting.by_video {
        return Err(VideoError::NotByVideo);
    }
    if !meeting.takes_place() {
        return Err(VideoError::NotStanding);
    }
    let open_time = meeting.open_time();
    let OpenTime { opens_at, closes_at } = open_time;
    if (opens_at..closes_at).contains(&Utc::now()) {
        Ok(open_time)
    } else {
        Err(VideoError::NotOpen { opens_at, closes_at })
    }
}
