//! Bodies that the patient's page sends.

use std::collections::HashMap;

use chrono::{TimeDelta, Utc};
use restartix_sdk::telemetry::types::{
    Landmarks, MediaBatch, MediaEvent, MediaEventKind, NewAnalyticsEvent, PoseBatch, PoseFrame, PropertyValue, Quality,
    SessionKind,
};
use uuid::Uuid;

/// Landmarks of a body.
const LANDMARKS: usize = 33;
/// Frames that are tracked: two seconds at 30 a second.
const FRAMES: i64 = 60;
/// The exercise that the patient does.
const EXERCISE: &str = "knee-extension";

/// Something that the patient did on the page just now.
pub(super) fn event(name: &str) -> NewAnalyticsEvent {
    let properties = [
        ("exercise".to_owned(), PropertyValue::String(EXERCISE.to_owned())),
        ("repetitions".to_owned(), PropertyValue::Number(10.0)),
        ("returning".to_owned(), PropertyValue::Boolean(true)),
    ];
    NewAnalyticsEvent {
        event_id: Uuid::now_v7(),
        name: name.to_owned(),
        occurred_at: Utc::now(),
        page: Some("/exercises/today".to_owned()),
        properties: HashMap::from(properties),
    }
}

/// A guided exercise, from its start two minutes ago to its end; an event of each kind.
pub(super) fn media(session_id: Uuid) -> MediaBatch {
    use MediaEventKind::{
        Bandwidth, Ended, ExerciseEnded, ExerciseStarted, Heartbeat, QualityChanged, Stalled, Started,
    };
    let kinds = [Started, Bandwidth, ExerciseStarted, QualityChanged, Stalled, Heartbeat, ExerciseEnded, Ended];
    let begun = Utc::now() - TimeDelta::minutes(2);
    let events = (0..).zip(kinds).map(|(sequence, kind)| {
        let exercise = matches!(kind, ExerciseStarted | ExerciseEnded);
        MediaEvent {
            kind,
            sequence,
            occurred_at: begun + TimeDelta::seconds(15 * sequence),
            session_kind: (kind == Started).then_some(SessionKind::Exercise),
            appointment_id: None,
            uplink_kbps: (kind == Bandwidth).then_some(1_180),
            downlink_kbps: (kind == Bandwidth).then_some(2_410),
            round_trip_ms: (kind == Bandwidth).then_some(48),
            packet_loss: (kind == Bandwidth).then_some(0.25),
            quality: (kind == QualityChanged).then_some(Quality::High),
            duration_ms: (kind == Stalled).then_some(400),
            exercise_id: exercise.then(|| EXERCISE.to_owned()),
            repetitions: (kind == ExerciseEnded).then_some(10),
            reason: (kind == Ended).then(|| "finished".to_owned()),
        }
    });
    MediaBatch { session_id, events: events.collect(), sent_at: Some(Utc::now()) }
}

/// Returns the pose data of a session.
pub(super) fn pose(session_id: Uuid) -> PoseBatch {
    let frames = (0..FRAMES).map(|number| PoseFrame { offset_ms: number * 1000 / 30, landmarks: landmarks(number) });
    PoseBatch {
        session_id,
        exercise_id: Some(EXERCISE.to_owned()),
        started_at: Utc::now() - TimeDelta::minutes(2),
        sent_at: Some(Utc::now()),
        frames: frames.collect(),
    }
}

/// A body that stands in the middle of the picture and moves up and down.
fn landmarks(frame: i64) -> Landmarks {
    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    let lift = (frame as f32 / 30.0 * std::f32::consts::TAU).sin() * 0.05;
    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    let point = |number: usize| {
        let height = number as f32 / LANDMARKS as f32;
        vec![0.5 + 0.1 * (height * 9.0).sin(), height + lift, -0.1, 0.98]
    };
    Landmarks((0..LANDMARKS).map(point).collect())
}
