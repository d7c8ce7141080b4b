//! Media events as the page sends them and the rows they become.

use chrono::{DateTime, TimeDelta, Utc};
use clickhouse::Row;
use poem_openapi::{Enum, Object, types::Example};
use serde::{Deserialize, Serialize};
use uuid::{Uuid, uuid};

use crate::{
    compliance::Pseudonym,
    text::{Identifier, Word},
};

/// Events of one session, in any order.
#[derive(Debug, Clone, Object)]
#[oai(example, deny_unknown_fields, skip_serializing_if_is_none)]
pub(crate) struct MediaBatch {
    /// The session, a UUIDv7 made by the page; each participant of a call has its own view of it.
    pub session_id: Uuid,
    /// When the page sent the batch, by its own clock; corrects `occurred_at`.
    pub sent_at: Option<DateTime<Utc>>,
    /// The events.
    #[oai(validator(min_items = 1, max_items = 500))]
    pub events: Vec<MediaEvent>,
}

impl Example for MediaBatch {
    fn example() -> Self {
        let started = MediaEvent {
            session_kind: Some(SessionKind::VideoCall),
            appointment_id: Some(1041),
            ..MediaEvent::bare(MediaEventKind::Started, 0)
        };
        let sample = MediaEvent {
            uplink_kbps: Some(1_180),
            downlink_kbps: Some(2_410),
            round_trip_ms: Some(48),
            packet_loss: Some(0.25),
            ..MediaEvent::bare(MediaEventKind::Bandwidth, 1)
        };
        let sent_at = Some(sample.occurred_at + TimeDelta::seconds(1));
        Self { session_id: uuid!("019a6b1c-7f00-7b1a-a2c4-6f1d2e3c4b5a"), sent_at, events: vec![started, sample] }
    }
}

/// What happened in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum MediaEventKind {
    /// The session starts; takes `session_kind` and `appointment_id`.
    Started,
    /// The session goes on and the person is there; sent every 15 seconds.
    Heartbeat,
    /// A sample of the connection; takes at least one of `uplink_kbps`, `downlink_kbps`,
    /// `round_trip_ms`, `packet_loss`.
    Bandwidth,
    /// The picture's quality is another; needs `quality`.
    QualityChanged,
    /// The picture stood still; needs `duration_ms`.
    Stalled,
    /// An exercise starts; needs `exercise_id`.
    ExerciseStarted,
    /// An exercise ends; needs `exercise_id`, takes `repetitions`.
    ExerciseEnded,
    /// The session ends; takes `reason`.
    Ended,
}

/// What kind of session it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum SessionKind {
    /// A video call.
    VideoCall,
    /// A guided exercise.
    Exercise,
}

impl SessionKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::VideoCall => "video_call",
            Self::Exercise => "exercise",
        }
    }
}

/// How good the picture is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum Quality {
    /// Sound only.
    AudioOnly,
    /// Barely to be followed.
    Low,
    /// Fit for talking.
    Medium,
    /// Fit for watching movement.
    High,
}

impl Quality {
    /// From 1, worst, to 4, best: as it is stored.
    pub(crate) fn grade(self) -> u8 {
        match self {
            Self::AudioOnly => 1,
            Self::Low => 2,
            Self::Medium => 3,
            Self::High => 4,
        }
    }
}

/// One event of a session. Which of the optional fields count depends on the kind; one that the kind
/// doesn't take makes the event malformed.
#[derive(Debug, Clone, PartialEq, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub(crate) struct MediaEvent {
    /// What happened.
    pub kind: MediaEventKind,
    /// Number of the event in its session, counted by the page from 0; names the event, so sending it
    /// again changes nothing.
    #[oai(validator(maximum(value = "1000000")))]
    pub sequence: u32,
    /// When it happened, by the page's clock. After correction it is kept between 30 days before and
    /// one minute after reception.
    pub occurred_at: DateTime<Utc>,
    /// What kind of session it is.
    pub session_kind: Option<SessionKind>,
    /// The appointment the session belongs to.
    #[oai(validator(minimum(value = "1")))]
    pub appointment_id: Option<i64>,
    /// Kilobits a second sent.
    #[oai(validator(maximum(value = "10000000")))]
    pub uplink_kbps: Option<u32>,
    /// Kilobits a second received.
    #[oai(validator(maximum(value = "10000000")))]
    pub downlink_kbps: Option<u32>,
    /// Round trip in milliseconds.
    #[oai(validator(maximum(value = "600000")))]
    pub round_trip_ms: Option<u32>,
    /// Lost packets in percent.
    #[oai(validator(minimum(value = "0"), maximum(value = "100")))]
    pub packet_loss: Option<f32>,
    /// How good the picture is now.
    pub quality: Option<Quality>,
    /// How long the picture stood still, in milliseconds.
    #[oai(validator(maximum(value = "86400000")))]
    pub duration_ms: Option<u32>,
    /// Which exercise.
    pub exercise_id: Option<Identifier>,
    /// How often the movement was repeated.
    #[oai(validator(maximum(value = "100000")))]
    pub repetitions: Option<u32>,
    /// Why the session ended, e.g. `hung_up`, `connection_lost`.
    pub reason: Option<Word>,
}

impl MediaEvent {
    /// An event without any optional field.
    pub(crate) fn bare(kind: MediaEventKind, sequence: u32) -> Self {
        Self {
            kind,
            sequence,
            occurred_at: DateTime::from_timestamp(1_762_765_200, 0).unwrap_or_default(),
            session_kind: None,
            appointment_id: None,
            uplink_kbps: None,
            downlink_kbps: None,
            round_trip_ms: None,
            packet_loss: None,
            quality: None,
            duration_ms: None,
            exercise_id: None,
            repetitions: None,
            reason: None,
        }
    }
}

/// A row of `media_sessions`: what one batch says of a session. Rows of one session merge in any
/// order and however often; see the migration.
#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
pub(crate) struct SessionRow {
    pub organization_id: i64,
    #[serde(with = "clickhouse::serde::uuid")]
    pub session_id: Uuid,
    pub actor: Pseudonym,
    /// Days since 1970.
    pub day: u16,
    pub role: String,
    pub kind: String,
    pub appointment_id: i64,
    #[serde(with = "clickhouse::serde::chrono::datetime64::millis::option")]
    pub started_at: Option<DateTime<Utc>>,
    #[serde(with = "clickhouse::serde::chrono::datetime64::millis")]
    pub first_seen_at: DateTime<Utc>,
    #[serde(with = "clickhouse::serde::chrono::datetime64::millis")]
    pub last_seen_at: DateTime<Utc>,
    #[serde(with = "clickhouse::serde::chrono::datetime64::millis::option")]
    pub ended_at: Option<DateTime<Utc>>,
    pub end_reason: String,
    #[serde(with = "clickhouse::serde::chrono::datetime64::millis")]
    pub received_at: DateTime<Utc>,
    pub sequences: Vec<u32>,
    pub active_slots: Vec<u32>,
    pub stalls: Vec<(u32, u32)>,
    pub qualities: Vec<(u32, u8)>,
    /// Sequence, exercise, whether it is the end, milliseconds since 1970, repetitions.
    pub exercises: Vec<(u32, String, u8, i64, u32)>,
    pub network: String,
    pub agent: String,
    pub os: String,
    pub device: String,
}

/// A row of `media_bandwidth_samples`.
#[derive(Debug, Clone, PartialEq, Row, Serialize, Deserialize)]
pub(crate) struct BandwidthRow {
    pub organization_id: i64,
    #[serde(with = "clickhouse::serde::uuid")]
    pub session_id: Uuid,
    pub actor: Pseudonym,
    pub sequence: u32,
    #[serde(with = "clickhouse::serde::chrono::datetime64::millis")]
    pub occurred_at: DateTime<Utc>,
    #[serde(with = "clickhouse::serde::chrono::datetime64::millis")]
    pub received_at: DateTime<Utc>,
    pub uplink_kbps: Option<u32>,
    pub downlink_kbps: Option<u32>,
    pub round_trip_ms: Option<u32>,
    pub packet_loss: Option<f32>,
}
