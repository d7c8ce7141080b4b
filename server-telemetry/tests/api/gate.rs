//! Accepted and refused callers, and the form of refusals.

use chrono::Utc;
use reqwest::Method;
use serde_json::json;
use test_support::{Answer, Issuer, TelemetryApp, granted, refused};

use crate::support::patient;

#[tokio::test]
async fn tokens_are_believed_only_as_core_makes_them() {
    let app = TelemetryApp::start().await;
    let person = patient(1, 7);
    let now = Utc::now().timestamp();
    for (what, name, value, code) in [
        ("of another issuer", "iss", json!("somebody"), "unauthenticated"),
        ("for another audience", "aud", json!("restartix-core"), "unauthenticated"),
        ("expired", "exp", json!(now - 60), "token_expired"),
        ("not valid yet", "nbf", json!(now + 60), "unauthenticated"),
        ("of no moment", "iat", json!(null), "unauthenticated"),
        ("of a moment to come", "iat", json!(now + 60), "unauthenticated"),
        ("of the day before yesterday", "iat", json!(now - 25 * 3600), "token_expired"),
        ("of organization 0", "org", json!(0), "unauthenticated"),
        ("of a role that there isn't", "role", json!("root"), "unauthenticated"),
        ("of a subject that is no user", "sub", json!("user_7"), "unauthenticated"),
    ] {
        let mut claims = person.claims();
        claims[name] = value;
        let client = app.client(&Issuer::sign_telemetry(&claims));
        let refusal = refused(client.consent_get().send().await, 401, code);
        assert_eq!(refusal.header("www-authenticate"), "Bearer", "a token {what}");
    }
    // A session token is signed by another issuer with another algorithm.
    refused(app.client(&Issuer::session("user_1")).consent_get().send().await, 401, "unauthenticated");
    // Flips one bit of the signature.
    let token = person.token();
    let altered = format!("{}{}", &token[..token.len() - 2], if token.ends_with("AA") { "BB" } else { "AA" });
    refused(app.client(&altered).consent_get().send().await, 401, "unauthenticated");
}

#[tokio::test]
async fn people_and_core_have_their_own_operations() {
    let app = TelemetryApp::start().await;
    let batch = crate::audit::batch(vec![crate::audit::event(1)]);
    for person in [app.admin(1), app.superadmin(), app.person(&patient(1, 7))] {
        refused(person.audit_ingest().body(batch.clone()).send().await, 401, "unauthenticated");
    }
    refused(app.service().consent_get().send().await, 401, "unauthenticated");
    refused(app.service().audit_log_list().send().await, 401, "unauthenticated");
    // A superadmin without an organization has no consent to give in one.
    refused(app.superadmin().consent_get().send().await, 403, "organization_required");
    for role in ["specialist", "staff", "patient"] {
        let person = app.person(&test_support::TelemetryPerson { role, ..patient(1, 7) });
        refused(person.audit_log_list().send().await, 403, "permission_denied");
        refused(person.audit_log_get().audit_id(uuid::Uuid::now_v7()).send().await, 403, "permission_denied");
        refused(person.analytics_summary_get().send().await, 403, "permission_denied");
    }
}

#[tokio::test]
async fn wrong_input_gets_the_envelope() {
    let app = TelemetryApp::start().await;
    let token = patient(1, 7).token();
    let post = |body: &str| {
        let request = app.request(Method::POST, "/v1/analytics/track").bearer_auth(&token);
        request.header("content-type", "application/json").body(body.to_owned())
    };
    Answer::to(app.request(Method::GET, "/v1/privacy/consent")).await.refusal(401, "unauthenticated");
    Answer::to(app.request(Method::GET, "/v1/nothing")).await.refusal(404, "route_not_found");
    let answer = Answer::to(app.request(Method::DELETE, "/v1/privacy/consent")).await;
    answer.refusal(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), "GET, HEAD, PUT");
    Answer::to(post("{")).await.refusal(400, "malformed_json");
    let unknown = Answer::to(post(r#"{"events":[{"what":1}]}"#)).await.refusal(400, "unknown_field");
    assert!(unknown.fields().contains(&("/events/0/what", "unknown")), "{unknown:?}");
    let wrong = Answer::to(post(r#"{"events":[{"event_id":"x","name":7,"occurred_at":"soon"}]}"#)).await;
    let fields = wrong.refusal(422, "validation_failed");
    let expected = [
        ("/events/0/event_id", "format"),
        ("/events/0/name", "type"),
        ("/events/0/occurred_at", "format"),
        ("/events/0/occurred_at", "pattern"),
    ];
    assert_eq!(fields.fields(), expected);
    Answer::to(post(&" ".repeat(1024 * 1024 + 1))).await.refusal(413, "body_too_large");
    let text = app.request(Method::POST, "/v1/analytics/track").bearer_auth(&token).body("text");
    Answer::to(text.header("content-type", "text/plain")).await.refusal(415, "unsupported_media_type");
    let filter = app.request(Method::GET, "/v1/audit/logs?actor=1").bearer_auth(&token);
    Answer::to(filter).await.refusal(400, "unknown_parameter");
    for filter in
        ["actor_user_id=9007199254740992", "organization_id=-1", "page_size=101", "entity_id=%00", "from=soon"]
    {
        let request = app.request(Method::GET, &format!("/v1/audit/logs?{filter}"));
        Answer::to(request.bearer_auth(&token)).await.refusal(400, "invalid_parameter");
    }
}

#[tokio::test]
async fn who_keeps_failing_is_told_to_wait_and_costs_one_entry_and_good_tokens_still_pass() {
    let mut app = TelemetryApp::builder().env("RATE_LIMIT_SCALE", "1").start().await;
    let person = patient(1, 7);
    let mut claims = person.claims();
    claims["exp"] = json!(Utc::now().timestamp() - 60);
    let expired = Issuer::sign_telemetry(&claims);
    let mut wait = 0;
    for number in 0..40 {
        let token = if number % 2 == 0 { expired.clone() } else { format!("guess-{number}") };
        let answer = Answer::to(app.request(Method::GET, "/v1/privacy/consent").bearer_auth(token)).await;
        if answer.status == 429 {
            wait += 1;
            assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds >= 1), "{answer:?}");
            answer.refusal(429, "rate_limited");
        } else {
            assert_eq!(answer.status, 401, "{answer:?}");
        }
    }
    assert!(wait >= 10, "{wait} of 40 failures were over the budget");
    granted(app.person(&person).consent_get().send().await, 200);
    app.server.stop().await;
    let recorded: Vec<(String, i64)> = sqlx::query_as(
        "select error_code, occurrences from audit.audit_logs where actor_kind = 'anonymous' order by error_code",
    )
    .fetch_all(&mut app.database.owner().await)
    .await
    .expect("the owner may read");
    let codes: Vec<_> = recorded.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!(codes, ["token_expired", "unauthenticated"], "one entry a code: {recorded:?}");
    assert_eq!(recorded.iter().map(|(_, occurrences)| occurrences).sum::<i64>(), 40 - wait);
}
