//! Job that adapts the room of an appointment after a change. It reads the appointment when it runs, so that neither
//! the order of jobs nor a repetition matters.

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

/// Adaptation of the room of an appointment that was booked, moved or cancelled.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct RoomFollow {
    appointment_id: AppointmentId,
}

impl Work for RoomFollow {
    const KIND: &'static str = "video_room_follow";
    // An attempt mostly waits for Daily, and a series enqueues one job per appointment.
    const WIDTH: usize = 8;
}

/// Returns the job that creates, moves or deletes the room of a video appointment after an event. A job, so that no
/// booking waits for Daily or fails with it. Each change gets a job of its own, because a running one may have read the
/// state before it.
pub(crate) fn room_follow(event: &AppointmentEvent, _: Audience) -> Vec<RoomFollow> {
    event.moves_room().map(|appointment_id| RoomFollow { appointment_id }).into_iter().collect()
}

/// Handler of [`RoomFollow`].
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
