use std::{borrow::Cow, time::Duration};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use server_shared::error::{Fault, FaultKind};

use crate::{database::DatabaseError, integration::daily::DailyError};

/// What can go wrong with video.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VideoError {
    #[error("There is no such appointment.")]
    NotFound,
    #[error("Only the patient and the specialist of the appointment join it.")]
    NotAParticipant,
    #[error("The appointment does not take place by video.")]
    NotByVideo,
    #[error("The room is open from shortly before the appointment begins until shortly after it ends.")]
    NotOpen { opens_at: DateTime<Utc>, closes_at: DateTime<Utc> },
    #[error("An appointment in this state can't be joined.")]
    NotStanding,
    #[error("Video is not set up here.")]
    NotConfigured,
    #[error("The appointment was changed while its room was made; try again.")]
    Changing,
    #[error(transparent)]
    Daily(#[from] DailyError),
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Fault for VideoError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::NotFound => FaultKind::NotFound,
            Self::NotAParticipant => FaultKind::Forbidden,
            Self::NotByVideo | Self::NotOpen { .. } | Self::NotStanding => FaultKind::Conflict,
            Self::NotConfigured | Self::Changing => FaultKind::Unavailable,
            Self::Daily(error) => error.kind(),
            Self::Database(error) => error.kind(),
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::NotFound => "appointment_not_found".into(),
            Self::NotAParticipant => "not_a_participant".into(),
            Self::NotByVideo => "not_a_video_appointment".into(),
            Self::NotOpen { .. } | Self::NotStanding => "video_not_open".into(),
            Self::NotConfigured => "video_not_configured".into(),
            Self::Changing => "video_unavailable".into(),
            Self::Daily(error) => error.code(),
            Self::Database(error) => error.code(),
        }
    }

    fn details(&self) -> Option<Value> {
        match self {
            Self::NotOpen { opens_at, closes_at } => Some(json!({ "opens_at": opens_at, "closes_at": closes_at })),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        if let Self::Daily(error) = self { error.retry_after() } else { None }
    }
}
