//! `/v1/media`.

use chrono::{DateTime, TimeDelta, Utc};
use restartix_sdk::telemetry::types::{MediaBatch, MediaEvent, MediaEventKind, Quality, SessionKind};
use test_support::{TelemetryApp, granted};
use uuid::Uuid;

use crate::support::{consenting, decision, dropped, millis, patient};

fn event(kind: MediaEventKind, sequence: i64, start: DateTime<Utc>) -> MediaEvent {
    MediaEvent {
        kind,
        sequence,
        occurred_at: start + TimeDelta::seconds(sequence * 5),
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

/// Returns the events of a whole session, one every five seconds.
fn session(start: DateTime<Utc>) -> Vec<MediaEvent> {
    let event = |kind, sequence| event(kind, sequence, start);
    let exercise = Some("squat".to_owned());
    vec![
        MediaEvent {
            session_kind: Some(SessionKind::Exercise),
            appointment_id: Some(1041),
            ..event(MediaEventKind::Started, 0)
        },
        event(MediaEventKind::Heartbeat, 1),
        MediaEvent { uplink_kbps: Some(900), packet_loss: Some(0.5), ..event(MediaEventKind::Bandwidth, 2) },
        MediaEvent { quality: Some(Quality::Low), ..event(MediaEventKind::QualityChanged, 3) },
        MediaEvent { duration_ms: Some(1_200), ..event(MediaEventKind::Stalled, 4) },
        MediaEvent { exercise_id: exercise.clone(), ..event(MediaEventKind::ExerciseStarted, 5) },
        event(MediaEventKind::Heartbeat, 6),
        MediaEvent { exercise_id: exercise, repetitions: Some(12), ..event(MediaEventKind::ExerciseEnded, 7) },
        MediaEvent { uplink_kbps: Some(1_100), ..event(MediaEventKind::Bandwidth, 8) },
        MediaEvent { reason: Some("hung_up".to_owned()), ..event(MediaEventKind::Ended, 9) },
    ]
}

const SESSIONS: &str = "select kind, appointment_id, toUnixTimestamp64Milli(started_at),
        toUnixTimestamp64Milli(last_seen_at), toUnixTimestamp64Milli(ended_at), end_reason, arraySort(sequences),
        length(active_slots), stalls, qualities, arraySort(exercises)
    from media_sessions final where session_id = toUUID('{id}') format TSV";

async fn row(app: &TelemetryApp, id: Uuid) -> String {
    app.clickhouse.query(&SESSIONS.replace("{id}", &id.to_string())).await
}

#[tokio::test]
async fn a_session_folds_into_the_same_row_in_any_order_and_however_often() {
    let app = TelemetryApp::start().await;
    let person = consenting(&app, 1, 7).await;
    // Starts at a quarter of a minute, so that the two heartbeats lie in two slots.
    let now = millis(Utc::now()) - TimeDelta::minutes(2);
    let start = now - TimeDelta::milliseconds(now.timestamp_millis() % 15_000);
    let events = session(start);
    let send = |session_id, events: Vec<MediaEvent>| {
        let (person, count) = (&person, i64::try_from(events.len()).expect("few events"));
        async move {
            let body = MediaBatch { session_id, sent_at: None, events };
            let receipt = granted(person.media_event_track().body(body).send().await, 202);
            assert_eq!((receipt.stored, receipt.dropped.len()), (count, 0));
        }
    };
    let (straight, crooked) = (Uuid::now_v7(), Uuid::now_v7());
    send(straight, events.clone()).await;
    // The end comes first, then single events backwards and some of them again, then all events once more.
    send(crooked, events[6..].to_vec()).await;
    for event in events[..7].iter().rev() {
        send(crooked, vec![event.clone()]).await;
    }
    send(crooked, vec![events[4].clone(), events[4].clone()]).await;
    send(crooked, events.clone()).await;
    let expected = row(&app, straight).await;
    let at = |sequence: i64| (start + TimeDelta::seconds(sequence * 5)).timestamp_millis();
    assert_eq!(
        expected,
        format!(
            "exercise\t1041\t{}\t{}\t{}\thung_up\t[0,1,2,3,4,5,6,7,8,9]\t2\t{{4:1200}}\t{{3:2}}\t\
             [(5,'squat',0,{},0),(7,'squat',1,{},12)]\n",
            at(0),
            at(9),
            at(9),
            at(5),
            at(7)
        )
    );
    assert_eq!(row(&app, crooked).await, expected);
    // Merging in ClickHouse changes nothing.
    app.clickhouse.query("optimize table media_sessions final").await;
    assert_eq!(row(&app, crooked).await, expected);
    assert_eq!(app.clickhouse.count("select count() from media_sessions").await, 2);
    let samples = "select session_id = toUUID('{id}'), sequence, uplink_kbps, packet_loss
                   from media_bandwidth_samples final where session_id = toUUID('{id}') order by sequence format TSV";
    let samples = app.clickhouse.query(&samples.replace("{id}", &crooked.to_string())).await;
    assert_eq!(samples, "1\t2\t900\t0.5\n1\t8\t1100\t\\N\n");
}

#[tokio::test]
async fn each_participant_has_a_view_of_its_own() {
    let app = TelemetryApp::start().await;
    let session_id = Uuid::now_v7();
    let start = millis(Utc::now());
    for person in [consenting(&app, 1, 7).await, consenting(&app, 1, 8).await, consenting(&app, 2, 7).await] {
        let events = vec![event(MediaEventKind::Started, 0, start)];
        granted(person.media_event_track().body(MediaBatch { session_id, sent_at: None, events }).send().await, 202);
    }
    assert_eq!(app.clickhouse.count("select count() from media_sessions final").await, 3);
    assert_eq!(app.clickhouse.count("select uniqExact(actor) from media_sessions final").await, 3);
}

#[tokio::test]
async fn without_consent_or_with_faults_nothing_is_stored() {
    let app = TelemetryApp::start().await;
    let person = app.person(&patient(1, 7));
    let start = millis(Utc::now());
    let body = || MediaBatch { session_id: Uuid::now_v7(), sent_at: None, events: session(start) };
    granted(person.consent_put().body(decision(true, false, true)).send().await, 200);
    let receipt = granted(person.media_event_track().body(body()).send().await, 202);
    assert_eq!((receipt.stored, dropped(&receipt)), (0, vec![("no_consent", 10)]));
    granted(person.consent_put().body(decision(false, true, false)).send().await, 200);
    let bare = MediaBatch { events: vec![event(MediaEventKind::Stalled, 0, start)], ..body() };
    let receipt = granted(person.media_event_track().body(bare).send().await, 202);
    assert_eq!((receipt.stored, dropped(&receipt)), (0, vec![("malformed", 1)]));
    assert_eq!(receipt.faults[0].field, "duration_ms");
    assert_eq!(app.clickhouse.count("select count() from media_sessions").await, 0);
}
