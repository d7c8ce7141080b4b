//! The job by which rooms follow their appointments. It reads the appointment anew, so that neither the order
//! in which jobs run nor a repetition makes a difference.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{error::VideoError, service::Service};
use crate::{
    domain::appointment::AppointmentEvent,
    event::Audience,
    identity::Caller,
    ids::AppointmentId,
    jobs::{Handler, JobError, JobRun, Outcome, Work},
};

/// The room of an appointment that was booked, moved or called off.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct RoomFollow {
    appointment_id: AppointmentId,
}

impl Work for RoomFollow {
    const KIND: &'static str = "video_room_follow";
    // An attempt does little but wait for Daily, and a series leaves one job an appointment.
    const WIDTH: usize = 8;
}

/// Makes, moves or deletes the room of an appointment by video, as the appointment stands once the change is
/// committed: a job, so that no booking waits for Daily or fails with it. Each change wants a job of its own: one
/// under way may have read what was before.
pub(crate) fn room_follow(event: &AppointmentEvent, _: Audience) -> Vec<RoomFollow> {
    event.moves_room().map(|appointment_id| RoomFollow { appointment_id }).into_iter().collect()
}

/// Makes, moves and deletes rooms.
pub(crate) struct RoomFollower(pub(crate) Service);

#[async_trait]
impl Handler for RoomFollower {
    type Work = RoomFollow;

    async fn run(&self, work: RoomFollow, attempt: &JobRun) -> Result<Outcome, JobError> {
        let caller = Caller::job(attempt.organization, RoomFollow::KIND, attempt.id);
        match self.0.follow(&caller, work.appointment_id).await {
            Ok(()) => Ok(Outcome::Done),
            Err(VideoError::Database(error)) => Err(error.into()),
            Err(VideoError::Daily(error)) => match error.asked_to_wait() {
                Some(pause) => Ok(Outcome::Again(pause)),
                None => Err(JobError::retry("video_unavailable", error)),
            },
            Err(error) => Err(JobError::retry("video_unavailable", error)),
        }
    }
}
