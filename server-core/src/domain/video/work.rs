//! The jobs by which rooms follow their appointments. Both read the appointment anew, so that neither the
//! order in which they run nor a repetition makes a difference; the kind says what was wanted.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{error::VideoError, service::Service};
use crate::{
    database::{DatabaseError, WriteTx},
    http::Caller,
    ids::AppointmentId,
    jobs::{Attempt, Handler, JobError, Outcome, Work},
};

/// The room of an appointment that was booked or moved.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct RoomCreate {
    appointment_id: AppointmentId,
}

impl Work for RoomCreate {
    const KIND: &'static str = "video_room_create";
}

/// The room of an appointment that does not take place.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct RoomDelete {
    appointment_id: AppointmentId,
}

impl Work for RoomDelete {
    const KIND: &'static str = "video_room_delete";
}

/// Has the room of an appointment made, or brought to its new time, once the booking or the move is
/// committed. For appointments by video alone. Each change wants a job of its own: one under way may have
/// read what was before.
pub(crate) async fn enqueue_room(tx: &mut WriteTx, appointment_id: AppointmentId) -> Result<(), DatabaseError> {
    tx.enqueue(&RoomCreate { appointment_id }).await.map(drop)
}

/// Has the room of an appointment by video deleted once its cancellation or deletion is committed.
pub(crate) async fn enqueue_room_delete(tx: &mut WriteTx, appointment_id: AppointmentId) -> Result<(), DatabaseError> {
    tx.enqueue(&RoomDelete { appointment_id }).await.map(drop)
}

/// Makes and moves rooms.
pub(crate) struct RoomMaker(pub(crate) Service);

#[async_trait]
impl Handler for RoomMaker {
    type Work = RoomCreate;

    async fn run(&self, work: RoomCreate, attempt: &Attempt) -> Result<Outcome, JobError> {
        follow(&self.0, RoomCreate::KIND, work.appointment_id, attempt).await
    }
}

/// Deletes rooms.
pub(crate) struct RoomRemover(pub(crate) Service);

#[async_trait]
impl Handler for RoomRemover {
    type Work = RoomDelete;

    async fn run(&self, work: RoomDelete, attempt: &Attempt) -> Result<Outcome, JobError> {
        follow(&self.0, RoomDelete::KIND, work.appointment_id, attempt).await
    }
}

async fn follow(
    video: &Service,
    kind: &'static str,
    appointment: AppointmentId,
    attempt: &Attempt,
) -> Result<Outcome, JobError> {
    let caller = Caller::job(attempt.organization, kind, attempt.id);
    match video.follow(&caller, appointment).await {
        Ok(()) => Ok(Outcome::Done),
        Err(VideoError::Database(error)) => Err(error.into()),
        Err(VideoError::Daily(error)) => match error.asked_to_wait() {
            Some(pause) => Ok(Outcome::Again(pause)),
            None => Err(JobError::retry("video_unavailable", error)),
        },
        Err(error) => Err(JobError::retry("video_unavailable", error)),
    }
}
