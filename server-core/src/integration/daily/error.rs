use std::{borrow::Cow, time::Duration};

use reqwest::StatusCode;
use server_shared::error::{Fault, FaultKind};

/// Failure of a call to Daily. It never names the room.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DailyError {
    #[error("Video can't be reached; try again.")]
    Unreachable(#[source] reqwest::Error),
    #[error("Video is not available; try again.")]
    Unavailable {
        #[source]
        cause: Answer,
        /// Pause that Daily asks for.
        retry_after: Option<Duration>,
    },
    #[error("The video service rejected the request.")]
    Refused(#[source] Answer),
    #[error("The video service sent an answer that can't be read.")]
    Malformed,
}

/// Unsuccessful answer, for the log.
#[derive(Debug, thiserror::Error)]
#[error("Daily answers {0}")]
pub(crate) struct Answer(pub(super) StatusCode);

impl DailyError {
    /// Returns the pause that Daily has asked for, if any.
    pub(crate) fn asked_to_wait(&self) -> Option<Duration> {
        if let Self::Unavailable { retry_after, .. } = self { *retry_after } else { None }
    }
}

impl Fault for DailyError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::Unreachable(_) | Self::Unavailable { .. } => FaultKind::Unavailable,
            Self::Refused(_) | Self::Malformed => FaultKind::Upstream,
        }
    }

    fn code(&self) -> Cow<'static, str> {
        match self {
            Self::Unreachable(_) | Self::Unavailable { .. } => "video_unavailable".into(),
            Self::Refused(_) | Self::Malformed => "video_refused".into(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        self.asked_to_wait()
    }
}
