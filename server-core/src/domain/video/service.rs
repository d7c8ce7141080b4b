use std::sync::Arc;

use chrono::Utc;

use super::{
    error::VideoError,
    event::RoomEvent,
    model::{Meeting, Part, RoomOf, VideoToken, Window},
    repository,
};
use crate::{
    database::Database,
    domain::appointment::AppointmentEvent,
    identity::Caller,
    ids::AppointmentId,
    integration::daily::{Daily, Participant, Room},
};

/// How often a room is made anew because its appointment changed meanwhile.
const TRIES: usize = 3;

/// Rooms at Daily and who may enter them.
#[derive(Clone)]
pub(crate) struct Service {
    database: Database,
    /// Absent where no key is configured.
    daily: Option<Arc<Daily>>,
}

impl Service {
    pub(crate) fn new(database: Database, daily: Option<Daily>) -> Self {
        Self { database, daily: daily.map(Arc::new) }
    }

    /// Lets the caller into the room of its appointment, which is made if it isn't there.
    pub(super) async fn join(&self, caller: &Caller, id: AppointmentId) -> Result<VideoToken, VideoError> {
        let mut reader = self.database.read(caller).open().await?;
        let meeting = repository::meeting_get(&mut reader, id).await?;
        // Daily is asked next, and a connection to the database is nothing to wait with.
        drop(reader);
        let meeting = meeting.filter(|meeting| !meeting.deleted).ok_or(VideoError::NotFound)?;
        let part = part(caller, &meeting).ok_or(VideoError::NotAParticipant)?;
        let window = check_open(&meeting)?;
        let daily = self.daily.as_deref().ok_or(VideoError::NotConfigured)?;
        let (room_url, Window { opens_at, closes_at }) = match meeting.room() {
            Some(url) => (url.to_owned(), window),
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

    /// Brings the room into line with its appointment. Without a key there is nothing to do: should there
    /// be one later, the room is made for who joins first.
    pub(super) async fn follow(&self, caller: &Caller, id: AppointmentId) -> Result<(), VideoError> {
        if let Some(daily) = self.daily.as_deref() {
            self.settle(daily, caller, id).await?;
        }
        Ok(())
    }

    /// The address of the room, made or changed, and when it is open; `None` when none is wanted, and
    /// there is none then.
    async fn settle(
        &self,
        daily: &Daily,
        caller: &Caller,
        id: AppointmentId,
    ) -> Result<Option<(String, Window)>, VideoError> {
        for _ in 0..TRIES {
            let mut reader = self.database.read(caller).open().await?;
            let meeting = repository::meeting_get(&mut reader, id).await?;
            drop(reader);
            // Erased: the room is left to its own end.
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
            let window = meeting.window();
            let Window { opens_at, closes_at } = window;
            if closes_at <= Utc::now() {
                // Daily makes no room that is over.
                return Ok(None);
            }
            let url = daily.room_put(&Room { name: &name, opens_at, closes_at }).await?;
            let mut tx = self.database.write_apart(caller, Vec::new()).await?;
            let event = match repository::room_store(&mut tx, id, &meeting, &url).await? {
                Some(true) => RoomEvent::Created(RoomOf(id)),
                Some(false) => RoomEvent::Updated(RoomOf(id), vec!["opens_at", "closes_at"]),
                // Changed since it was read: what was made is not what is wanted now.
                None => continue,
            };
            tx.commit(event).await?;
            return Ok(Some((url, window)));
        }
        Err(VideoError::Changing)
    }
}

/// What the caller is in the meeting; `None` for whoever sees the appointment and is not part of it.
fn part(caller: &Caller, meeting: &Meeting) -> Option<Part> {
    if caller.specialist_id() == Some(meeting.specialist_id) {
        Some(Part::Specialist)
    } else if caller.patient_id() == Some(meeting.patient_id) {
        Some(Part::Patient)
    } else {
        None
    }
}

/// When the room is open, if it is now.
fn check_open(meeting: &Meeting) -> Result<Window, VideoError> {
    if !meeting.by_video {
        return Err(VideoError::NotByVideo);
    }
    if !meeting.takes_place() {
        return Err(VideoError::NotStanding);
    }
    let window = meeting.window();
    let Window { opens_at, closes_at } = window;
    if (opens_at..closes_at).contains(&Utc::now()) {
        Ok(window)
    } else {
        Err(VideoError::NotOpen { opens_at, closes_at })
    }
}
