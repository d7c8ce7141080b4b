//! Tokens that Core revokes before they expire: every process refuses them for every operation, and none that
//! was issued later.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use restartix_sdk::telemetry::types::{AccessRevocation, NewAccessRevocation};
use serde_json::json;
use test_support::{Answer, Issuer, Operation, Server, TelemetryApp, TelemetryPerson, eventually, granted, refused};

use crate::support::patient;

/// Longest wait for a process to receive a revocation, which takes a fifth of a second. Nothing else refuses
/// these tokens, which live for an hour, so a refusal proves that it arrived.
const HEARD: Duration = Duration::from_secs(10);
/// Address without a server.
const NO_REDIS: &str = "redis://127.0.0.1:9";

/// Returns a token of the person that was issued at this time.
fn issued(person: &TelemetryPerson, at: DateTime<Utc>) -> String {
    let mut claims = person.claims();
    let seconds = format!("{}.{:06}", at.timestamp(), at.timestamp_subsec_micros());
    claims["iat"] = serde_json::from_str(&seconds).expect("seconds are a number");
    Issuer::sign_telemetry(&claims)
}

async fn revoke(
    app: &TelemetryApp,
    user: i64,
    organization: Option<i64>,
    not_before: DateTime<Utc>,
) -> AccessRevocation {
    let body = NewAccessRevocation { user_id: user, organization_id: organization, not_before };
    granted(app.service().access_revocation_create().body(body).send().await, 201)
}

/// Returns `true` if the process at this address accepts the token, and `false` if it answers 401
/// `token_revoked`.
async fn lets_in(base: &str, token: &str) -> bool {
    match TelemetryApp::client_at(base, token).consent_get().send().await {
        Ok(_) => true,
        refusal => {
            refused(refusal, 401, "token_revoked");
            false
        }
    }
}

async fn refused_soon(base: &str, token: &str) {
    eventually("the other process has heard", HEARD, || async { !lets_in(base, token).await }).await;
}

#[tokio::test]
async fn what_was_issued_before_is_refused_by_every_process_without_redis() {
    let app = TelemetryApp::builder().env("REDIS_URL", NO_REDIS).start().await;
    let second = app.second().await;
    let person = patient(1, 7);
    // Times within one second, precise to the microsecond.
    let moment = Utc::now() - TimeDelta::seconds(2);
    let before = issued(&person, moment - TimeDelta::microseconds(1));
    let at = issued(&person, moment);
    let elsewhere = issued(&patient(2, 7), moment - TimeDelta::seconds(1));
    let another = issued(&patient(1, 8), moment - TimeDelta::seconds(1));
    for base in [app.url(), second.url()] {
        for token in [&before, &at, &elsewhere, &another] {
            assert!(lets_in(&base, token).await, "nothing was revoked yet");
        }
    }

    let standing = revoke(&app, 7, Some(1), moment).await;
    assert_eq!((standing.user_id, standing.organization_id), (7, Some(1)));
    assert!(standing.expires_at > moment + TimeDelta::hours(24), "kept for longer than any token lives");
    assert!(!lets_in(&app.url(), &before).await, "from the answer on");
    refused_soon(&second.url(), &before).await;
    for base in [app.url(), second.url()] {
        for (what, token) in [("as it was said", &at), ("for another", &elsewhere), ("of another", &another)] {
            assert!(lets_in(&base, token).await, "a token {what} is good");
        }
    }

    // For every organization. An earlier time does not replace a later one.
    let earlier = revoke(&app, 7, Some(1), moment - TimeDelta::hours(1)).await;
    assert_eq!(earlier.not_before, standing.not_before, "an earlier moment changes nothing");
    revoke(&app, 7, None, moment).await;
    refused_soon(&second.url(), &elsewhere).await;
    assert!(!lets_in(&app.url(), &before).await && lets_in(&app.url(), &at).await);
    assert!(lets_in(&second.url(), &another).await);
}

#[tokio::test]
async fn a_revoked_token_opens_nothing() {
    let app = TelemetryApp::start().await;
    let admin = TelemetryPerson { user: 7, organization: Some(1), role: "admin", patient: None };
    let before = Utc::now() - TimeDelta::minutes(1);
    let (old, fresh) = (issued(&admin, before), admin.token());
    let opened = |operation: &Operation, token: &str| {
        let target = operation.path.replace(['{', '}'], "");
        Answer::to(app.request(operation.method.clone(), &target).bearer_auth(token))
    };
    let mut operations = Vec::new();
    for operation in Operation::all(&app.server).into_iter().filter(|operation| !operation.public) {
        // A caller with a valid token gets an answer other than 401.
        if opened(&operation, &old).await.status.as_u16() != 401 {
            operations.push(operation);
        }
    }
    assert!(operations.len() > 10, "a token opens more than {}", operations.len());
    revoke(&app, 7, Some(1), before + TimeDelta::seconds(1)).await;
    for operation in operations {
        opened(&operation, &old).await.refusal(401, "token_revoked");
        assert_ne!(opened(&operation, &fresh).await.status.as_u16(), 401, "{} with a new token", operation.id);
    }
    // The refusals are in the audit trail.
    let mut owner = app.database.owner().await;
    let owner = tokio::sync::Mutex::new(&mut owner);
    eventually("the refusals are in the trail", HEARD, || async {
        let sql = "select count(*) from audit.audit_logs
                   where error_code = 'token_revoked' and actor_user_id = 7 and organization_id = 1";
        sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut **owner.lock().await).await.unwrap() > 0
    })
    .await;
}

#[tokio::test]
async fn a_process_that_starts_knows_what_was_revoked() {
    let mut app = TelemetryApp::start().await;
    let before = issued(&patient(1, 7), Utc::now() - TimeDelta::minutes(1));
    revoke(&app, 7, None, Utc::now()).await;
    app.server.kill();
    app.server.start().await;
    assert!(!lets_in(&app.url(), &before).await, "from its first request on");
    assert!(!lets_in(&app.second().await.url(), &before).await);
    assert!(lets_in(&app.url(), &issued(&patient(1, 7), Utc::now())).await);
}

#[tokio::test]
async fn a_process_whose_ear_is_cut_off_asks_the_database() {
    let app = TelemetryApp::start().await;
    let second = app.second().await;
    let mut superuser = app.database.superuser().await;
    for user in 1..=5 {
        let before = issued(&patient(1, user), Utc::now() - TimeDelta::minutes(1));
        eventually("it is let in", HEARD, || async {
            // Answers 503 while connections are opened again.
            app.client(&before).consent_get().send().await.is_ok()
        })
        .await;
        // The listener's connection, the current one or the next.
        let cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                   where datname = current_database() and pid <> pg_backend_pid()";
        sqlx::query(cut).execute(&mut superuser).await.unwrap();
        let body = NewAccessRevocation { user_id: user, organization_id: None, not_before: Utc::now() };
        eventually("a connection is there again", HEARD, || {
            let ask = TelemetryApp::client_at(&second.url(), &test_support::Stack::get().telemetry_internal_token);
            let body = body.clone();
            async move { ask.access_revocation_create().body(body).send().await.is_ok() }
        })
        .await;
        eventually("it is refused", HEARD, || async {
            // Answers 503 while connections are opened again.
            let answer = app.client(&before).consent_get().send().await;
            answer.err().and_then(|error| error.status()).is_some_and(|status| status.as_u16() == 401)
        })
        .await;
    }
}

#[tokio::test]
async fn what_makes_no_difference_is_forgotten_and_what_makes_no_sense_refused() {
    let mut app = TelemetryApp::start().await;
    let far = NewAccessRevocation { user_id: 7, organization_id: None, not_before: Utc::now() + TimeDelta::minutes(6) };
    let refusal = refused(app.service().access_revocation_create().body(far).send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/not_before", "range")]);
    let request = app
        .request(reqwest::Method::POST, "/v1/access/revocations")
        .bearer_auth(&test_support::Stack::get().telemetry_internal_token)
        .json(&json!({ "user_id": 0, "organization_id": 0 }));
    let refusal = Answer::to(request).await.refusal(422, "validation_failed");
    let pointers: Vec<&str> = refusal.fields().iter().map(|(pointer, _)| *pointer).collect();
    assert_eq!(pointers, ["/not_before", "/organization_id", "/user_id"]);

    let mut owner = app.database.owner().await;
    let old =
        "insert into ops.access_revocations values (8, null, now() - interval '2 days', now() - interval '1 day')";
    sqlx::query(old).execute(&mut owner).await.unwrap();
    revoke(&app, 9, None, Utc::now()).await;
    restart(&mut app.server).await;
    let owner = tokio::sync::Mutex::new(&mut owner);
    eventually("the old one is gone", HEARD, || async {
        let users: Vec<i64> = sqlx::query_scalar("select user_id from ops.access_revocations order by user_id")
            .fetch_all(&mut **owner.lock().await)
            .await
            .unwrap();
        users == [9]
    })
    .await;
}

async fn restart(server: &mut Server) {
    server.stop().await;
    server.start().await;
}
