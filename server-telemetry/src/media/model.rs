//! Media events as the page sends them, and their rows.

use chrono::{DateTime, TimeDelta, Utc};
use clickhouse::Row;
use poem_openapi::{Enum, Object, types::Example};
use serde::{Deserialize, Serialize};
use server_shared::value::Moment;
use uuid::{Uuid, uuid};

use crate::{
    compliance::Pseudonym,
    text::{Identifier, SharedText, Word},
};

/// Events of one session, in any order.
#[derive(Debug, Clone, Object)]
#[oai(example, deny_unknown_fields, skip_serializing_if_is_none)]
pub(crate) struct MediaBatch {
    /// Id of the session, a UUIDv7 made by the page. Each participant of a call has a separate session.
    pub session_id: Uuid,
    /// Time at which the page sent the batch, by its own clock; corrects `occurred_at`.
    pub sent_at: Option<Moment>,
    /// Events of the batch.
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
        let sent_at = Some(Moment::nearest(sample.occurred_at.get() + TimeDelta::seconds(1)));
        Self { session_id: uuid!("019a6b1c-7f00-7b1a-a2c4-6f1d2e3c4b5a"), sent_at, events: vec![started, sample] }
    }
}

/// Kind of event in a session.
///
/// - `started`: the session starts; takes `session_kind` and `appointment_id`
/// - `heartbeat`: the session goes on and the person is present; sent every 15 seconds
/// - `bandwidth`: a sample of the connection; needs a bandwidth, `round_trip_ms` or `packet_loss`
/// - `quality_changed`: the quality of the picture changed; needs `quality`
/// - `stalled`: the picture froze; needs `duration_ms`
/// - `exercise_started`: an exercise starts; needs `exercise_id`
/// - `exercise_ended`: an exercise ends; needs `exercise_id`, takes `repetitions`
/// - `ended`: the session ends; takes `reason`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum MediaEventKind {
    Started,
    Heartbeat,
    Bandwidth,
    QualityChanged,
    Stalled,
    ExerciseStarted,
    ExerciseEnded,
    Ended,
}

/// Kind of session.
///
/// - `video_call`: a video call
/// - `exercise`: a guided exercise
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum SessionKind {
    VideoCall,
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

/// Quality of the picture.
///
/// - `audio_only`: sound without a picture
/// - `low`: the picture is barely recognizable
/// - `medium`: the picture is good enough for a conversation
/// - `high`: the picture is good enough to watch movements
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum Quality {
    AudioOnly,
    Low,
    Medium,
    High,
}

impl Quality {
    /// Returns the stored grade, from 1 (worst) to 4 (best).
    pub(crate) fn grade(self) -> u8 {
        match self {
            Self::AudioOnly => 1,
            Self::Low => 2,
            Self::Medium => 3,
            Self::High => 4,
        }
    }
}

/// Event of a session. The kind decides which of the optional fields are allowed; an event with any other field
/// is dropped as `malformed`.
#[derive(Debug, Clone, PartialEq, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub(crate) struct MediaEvent {
    /// Kind of event.
    pub kind: MediaEventKind,
    /// Number of the event in its session, counted by the page from 0. It identifies the event, so the event can be
    /// sent again.
    #[oai(validator(maximum(value = "1000000")))]
    pub sequence: u32,
    /// Time of the event by the page's clock. Telemetry corrects it by `sent_at`, and clamps it to between 30 days
    /// before and one minute after reception.
    pub occurred_at: Moment,
    /// Kind of session.
    pub session_kind: Option<SessionKind>,
    /// Appointment to which the session belongs.
    #[oai(validator(minimum(value = "1")))]
    pub appointment_id: Option<i64>,
    /// Upload bandwidth in kilobits per second.
    #[oai(validator(maximum(value = "10000000")))]
    pub uplink_kbps: Option<u32>,
    /// Download bandwidth in kilobits per second.
    #[oai(validator(maximum(value = "10000000")))]
    pub downlink_kbps: Option<u32>,
    /// Round-trip time in milliseconds.
    #[oai(validator(maximum(value = "600000")))]
    pub round_trip_ms: Option<u32>,
    /// Packet loss in percent.
    #[oai(validator(minimum(value = "0"), maximum(value = "100")))]
    pub packet_loss: Option<f32>,
    /// New quality of the picture.
    pub quality: Option<Quality>,
    /// Time for which the picture was frozen, in milliseconds.
    #[oai(validator(maximum(value = "86400000")))]
    pub duration_ms: Option<u32>,
    /// Exercise that starts or ends.
    pub exercise_id: Option<Identifier>,
    /// Number of repetitions of the movement.
    #[oai(validator(maximum(value = "100000")))]
    pub repetitions: Option<u32>,
    /// Reason for the end of the session, e.g. `hung_up`, `connection_lost`.
    pub reason: Option<Word>,
}

impl MediaEvent {
    /// Makes an event without any optional field.
    pub(crate) fn bare(kind: MediaEventKind, sequence: u32) -> Self {
        Self {
            kind,
            sequence,
            occurred_at: Moment::nearest(DateTime::from_timestamp(1_762_765_200, 0).unwrap_or_default()),
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

/// Row of `media_sessions`: the state of a session according to one batch. Rows of one session merge in any
/// order and however often; see the migration.
#[derive(Debug, Clone, PartialEq, Row, Serialize)]
pub(crate) struct SessionRow {
    pub organization_id: i64,
    #[serde(with = "clickhouse::serde::uuid")]
    pub session_id: Uuid,
    pub actor: Pseudonym,
    /// Days since 1970.
    pub day: u16,
    pub role: &'static str,
    pub kind: &'static str,
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
    /// Sequence, exercise, 1 for the end of the exercise or 0 for its start, milliseconds since 1970, repetitions.
    pub exercises: Vec<(u32, String, u8, i64, u32)>,
    pub network: SharedText,
    pub agent: SharedText,
    pub os: SharedText,
    pub device: SharedText,
}

/// Row of `media_bandwidth_samples`.
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
