//! `/v1/pose`.

use std::io::Write;

use chrono::Utc;
use flate2::{Compression, write::GzEncoder};
use reqwest::Method;
use restartix_sdk::telemetry::types::{Landmarks, PoseBatch, PoseFrame};
use test_support::{Answer, TelemetryApp, granted};
use uuid::Uuid;

use crate::support::{consenting, decision, dropped, patient};

fn frame(offset_ms: i64) -> PoseFrame {
    PoseFrame { offset_ms, landmarks: Landmarks(vec![vec![0.5, -0.25, 3.999, 1.0]; 33]) }
}

fn frames(frames: Vec<PoseFrame>) -> PoseBatch {
    PoseBatch {
        session_id: Uuid::now_v7(),
        exercise_id: Some("squat".to_owned()),
        started_at: Utc::now(),
        sent_at: None,
        frames,
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory takes bytes");
    encoder.finish().expect("memory takes bytes")
}

/// Sends a body as it is, with a content encoding.
async fn send(app: &TelemetryApp, body: Vec<u8>, encoding: &str) -> Answer {
    let request = app.request(Method::POST, "/v1/pose/frames").bearer_auth(patient(1, 7).token());
    let request = request.header("content-type", "application/json").header("content-encoding", encoding);
    Answer::to(request.body(body)).await
}

#[tokio::test]
async fn frames_come_plain_or_compressed_and_are_stored_once() {
    let app = TelemetryApp::start().await;
    let person = consenting(&app, 1, 7).await;
    let body = frames((0..30).map(|number| frame(number * 33)).collect());
    let receipt = granted(person.pose_frame_track().body(body.clone()).send().await, 202);
    assert_eq!((receipt.stored, receipt.dropped.len()), (30, 0));
    let text = serde_json::to_vec(&body).expect("a batch is JSON");
    assert_eq!(send(&app, gzip(&text), "gzip").await.json(202)["stored"], 30);
    assert_eq!(app.clickhouse.count("select count() from pose_frames final").await, 30);
    let steps = "select arraySlice(landmarks, 129, 4), length(landmarks) from pose_frames final limit 1 format TSV";
    assert_eq!(app.clickhouse.query(steps).await, "[4000,-2000,31992,8000]\t132\n");
}

#[tokio::test]
async fn no_more_than_sixty_frames_a_second() {
    let app = TelemetryApp::start().await;
    let person = consenting(&app, 1, 7).await;
    // 500 frames in half a second.
    let receipt = granted(person.pose_frame_track().body(frames((0..500).map(frame).collect())).send().await, 202);
    assert_eq!((receipt.stored, dropped(&receipt)), (32, vec![("too_frequent", 468)]));
}

#[tokio::test]
async fn without_consent_nothing_is_stored() {
    let app = TelemetryApp::start().await;
    let person = app.person(&patient(1, 7));
    granted(person.consent_put().body(decision(true, true, false)).send().await, 200);
    let receipt = granted(person.pose_frame_track().body(frames(vec![frame(0)])).send().await, 202);
    assert_eq!((receipt.stored, dropped(&receipt)), (0, vec![("no_consent", 1)]));
    assert_eq!(app.clickhouse.count("select count() from pose_frames").await, 0);
}

#[tokio::test]
async fn bombs_and_other_bodies_that_are_none_are_refused() {
    let app = TelemetryApp::start().await;
    let bomb = gzip(&vec![b' '; 64 * 1024 * 1024]);
    assert!(bomb.len() < 128 * 1024, "a bomb is small on the wire");
    send(&app, bomb, "gzip").await.refusal(413, "body_too_large");
    // Smaller than the operation's limit, but larger than such a small compressed body may become.
    let small = gzip(&vec![b' '; 2 * 1024 * 1024]);
    send(&app, small, "gzip").await.refusal(413, "body_too_large");
    // Batches of zeros, two bytes for each value: one of more than 600 frames, and one larger than 600 frames can
    // be.
    let zeros = |count| format!(r#"{{"frames":[{}0]}}"#, "0,".repeat(count));
    let long = send(&app, gzip(zeros(100_000).as_bytes()), "gzip").await;
    let refusal = long.refusal(422, "validation_failed");
    assert!(refusal.fields().contains(&("/frames", "max_items")), "{refusal:?}");
    assert_eq!(refusal.fields().len(), 3, "and the two fields that are missing, but no item: {refusal:?}");
    let endless = send(&app, zeros(200_000).into_bytes(), "identity").await;
    endless.refusal(413, "too_many_values");
    assert!(long.body.len() < 1_024 && endless.body.len() < 1_024, "{} {}", long.body, endless.body);
    send(&app, vec![b' '; 2 * 1024 * 1024 + 1], "identity").await.refusal(413, "body_too_large");
    send(&app, b"{}".to_vec(), "gzip").await.refusal(400, "malformed_gzip");
    send(&app, b"{}".to_vec(), "br").await.refusal(415, "unsupported_content_encoding");
    let mut few = serde_json::to_value(frames(vec![frame(0)])).expect("a batch is JSON");
    few["frames"][0]["landmarks"].as_array_mut().expect("landmarks are a list").pop();
    let refusal = send(&app, gzip(few.to_string().as_bytes()), "gzip").await.refusal(422, "validation_failed");
    assert_eq!(refusal.fields(), [("/frames/0/landmarks", "min_items")]);
}
