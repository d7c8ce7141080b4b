//! Behaviour of Core while a service that it depends on is unavailable.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;
use test_support::{Actor, Answer, CoreApp, Throwaway, granted, in_days, refused, until};

/// Longest time that recovery takes, without a restart.
const RECOVERY: Duration = Duration::from_secs(5);

/// Longest time until a refusal, well below the 30 seconds of the request timeout: a request refused within it did not
/// hang.
const GIVEN_UP: Duration = Duration::from_secs(15);

fn retry_after(answer: &test_support::Refusal) -> u64 {
    answer.header("retry-after").parse().unwrap_or_else(|_| panic!("a 503 says when to come back: {answer:?}"))
}

async fn ready(actor: &Actor) -> Answer {
    Answer::to(actor.request(Method::GET, "/ready")).await
}

fn up(dependencies: &Value, name: &str) -> bool {
    let entries = dependencies.as_array().unwrap();
    entries.iter().find(|entry| entry["name"] == name).unwrap()["up"].as_bool().unwrap()
}

#[tokio::test]
async fn without_the_database_requests_are_503_and_come_back_by_themselves() {
    let app = CoreApp::builder().proxied().env("DB_ACQUIRE_TIMEOUT", "1s").start().await;
    let staff = app.staff();
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    granted(staff.patient_get().patient_id(patient).send().await, 200);

    app.proxy().cut();
    for _ in 0..3 {
        let began = Instant::now();
        let refusal = refused(staff.patient_get().patient_id(patient).send().await, 503, "database_unavailable");
        assert!(retry_after(&refusal) >= 1);
        let body = CoreApp::new_appointment(app.home().specialist_id, patient, in_days(2, 9));
        let refusal = refused(staff.appointment_create().body(body).send().await, 503, "database_unavailable");
        assert!(retry_after(&refusal) >= 1);
        refused(staff.appointment_list().send().await, 503, "database_unavailable");
        assert!(began.elapsed() < GIVEN_UP, "three requests hang: {:?}", began.elapsed());
    }
    let (refusal, _) = until("the service says that it is not ready", RECOVERY, || async {
        let answer = ready(&staff).await;
        (answer.status.as_u16() == 503).then(|| answer.refusal(503, "not_ready"))
    })
    .await;
    assert!(retry_after(&refusal) >= 1);
    assert!(!up(&refusal.details["dependencies"], "postgresql"));
    assert!(up(&refusal.details["dependencies"], "s3"));
    // The process reports that it is alive.
    assert_eq!(Answer::to(staff.request(Method::GET, "/health")).await.json(200)["status"], "ok");

    app.proxy().open();
    let (_, took) = until("requests are answered again", RECOVERY, || async {
        staff.patient_get().patient_id(patient).send().await.ok()
    })
    .await;
    println!("recovered after {took:?}");
    until("the service is ready again", RECOVERY, || async {
        (ready(&staff).await.status.as_u16() == 200).then_some(())
    })
    .await;
    assert_eq!(app.count("select count(*) from appointments").await, 0, "what was refused was not done");
}

#[tokio::test]
async fn with_every_connection_taken_requests_are_503_within_the_acquire_timeout() {
    let builder = CoreApp::builder().proxied().env("DB_POOL_MAX", "1").env("DB_ACQUIRE_TIMEOUT", "500ms");
    let app = builder.start().await;
    let staff = app.staff();
    granted(staff.appointment_list().send().await, 200);
    // PostgreSQL stops answering: one of two requests holds the only connection.
    app.proxy().hold();
    let began = Instant::now();
    let ask = |actor: Actor| tokio::spawn(async move { (actor.appointment_list().send().await, began.elapsed()) });
    let mut requests = vec![ask(staff.clone()), ask(staff.clone())];
    let (refused_one, _) = until("one of the requests is answered", GIVEN_UP, || async {
        requests.iter().position(tokio::task::JoinHandle::is_finished)
    })
    .await;
    let (answer, took) = requests.remove(refused_one).await.unwrap();
    assert!(retry_after(&refused(answer, 503, "database_unavailable")) >= 1);
    assert!((Duration::from_millis(500)..GIVEN_UP).contains(&took), "a hang of {took:?}");
    app.proxy().open();
    let (answer, _) = requests.remove(0).await.unwrap();
    granted(answer, 200);
    granted(staff.appointment_list().send().await, 200);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_given_up_and_leaves_nothing_behind() {
    let app = CoreApp::builder().proxied().env("REQUEST_TIMEOUT", "500ms").env("DB_POOL_MAX", "2").start().await;
    let staff = app.staff();
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    granted(staff.appointment_list().send().await, 200);
    for _ in 0..3 {
        app.proxy().hold();
        let body = CoreApp::new_appointment(app.home().specialist_id, patient, in_days(2, 9));
        let refusal = refused(staff.appointment_create().body(body).send().await, 503, "request_timeout");
        assert!(retry_after(&refusal) >= 1);
        app.proxy().open();
        // No connection returns to the pool with the open transaction of the cancelled request.
        until("the next request is answered", RECOVERY, || async { staff.appointment_list().send().await.ok() }).await;
    }
    assert_eq!(app.count("select count(*) from appointments").await, 0);
    app.appointment_create(&staff, app.home().specialist_id, patient, in_days(2, 9)).await;
    assert_eq!(
        app.count("select count(*) from audit_log where entity_type = 'appointment' and outcome = 'succeeded'").await,
        1
    );
}

#[tokio::test]
async fn without_redis_requests_go_on() {
    let mut redis = Throwaway::valkey().await;
    let app = CoreApp::builder().env("REDIS_URL", redis.url()).start().await;
    let staff = app.staff();
    assert!(up(&ready(&staff).await.json(200)["dependencies"], "redis"));
    redis.kill();
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    granted(staff.patient_get().patient_id(patient).send().await, 200);
    app.appointment_create(&staff, app.home().specialist_id, patient, in_days(2, 9)).await;
    until("ready says what is down, though it is not needed", RECOVERY, || async {
        (!up(&ready(&staff).await.json(200)["dependencies"], "redis")).then_some(())
    })
    .await;
    redis.start().await;
    until("Redis is found again", RECOVERY, || async {
        up(&ready(&staff).await.json(200)["dependencies"], "redis").then_some(())
    })
    .await;
}

#[tokio::test]
async fn without_storage_the_service_is_ready() {
    let app = CoreApp::builder().env("S3_ENDPOINT", "http://127.0.0.1:9").start().await;
    let staff = app.staff();
    assert!(!up(&ready(&staff).await.json(200)["dependencies"], "s3"));
    granted(staff.appointment_list().send().await, 200);
}

#[tokio::test]
async fn without_telemetry_audit_rows_wait_and_nothing_else_does() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    app.patient_create(&staff, "Ann", "Lee").await;
    assert_eq!(app.count("select count(*) from audit_outbox").await, 1);
    ready(&staff).await.json(200);
}
