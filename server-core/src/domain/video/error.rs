use chrono::{DateTime, Utc};
use serde_json::json;
use server_shared::errors;

use crate::{database::DatabaseError, integration::daily::DailyError};

errors! {
    /// Errors of video.
    pub(crate) enum VideoError {
        NotFound => NotFound "appointment_not_found" "There is no such appointment.",
        NotAParticipant => Forbidden "not_a_participant"
            "Only the patient and the specialist of the appointment can join it.",
        NotByVideo => Conflict "not_a_video_appointment" "The appointment does not take place by video.",
        NotOpen { opens_at: DateTime<Utc>, closes_at: DateTime<Utc> } => Conflict "video_not_open"
            "The room is open from shortly before the appointment begins until shortly after it ends."
            with json!({ "opens_at": opens_at, "closes_at": closes_at }),
        NotStanding => Conflict "video_not_open" "An appointment in this state can't be joined.",
        NotConfigured => Unavailable "video_not_configured" "Video is not configured in this installation.",
        Changing => Unavailable "video_unavailable"
            "The appointment was changed while its room was created; try again.",
    }
    and those of {
        Daily(#[from] DailyError),
        Database(#[from] DatabaseError),
    }
}
