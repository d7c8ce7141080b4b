//! A parameter, a header or a key that is given twice is refused and named, and so is an encoding that a route does
//! not take.

use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::{Value, json};
use test_support::{Answer, Stack, TelemetryApp, TelemetryPerson, assert_repeats_refused};

use crate::support::{batch, consenting, event, patient};

#[tokio::test]
async fn whatever_an_operation_takes_once_is_refused_twice() {
    let app = TelemetryApp::start().await;
    let person = TelemetryPerson { user: 7, organization: Some(1), role: "admin", patient: None }.token();
    let service = Stack::get().telemetry_internal_token.clone();
    let refused = assert_repeats_refused(&app.server, |operation, target| {
        let of_core = operation.security.iter().any(|scheme| scheme == "service_token");
        let token = if of_core { &service } else { &person };
        app.request(operation.method.clone(), target).bearer_auth(token)
    })
    .await;
    assert!(refused > 150, "only {refused} requests were tried");
}

#[tokio::test]
async fn keys_of_properties_hold_no_control_characters_and_texts_no_u_0000() {
    let app = TelemetryApp::start().await;
    consenting(&app, 1, 7).await;
    let track = async |properties: Value| {
        let mut body = serde_json::to_value(batch(vec![event("seen")])).expect("a batch is JSON");
        body["events"][0]["properties"] = properties;
        let request = app.request(Method::POST, "/v1/analytics/track").bearer_auth(patient(1, 7).token());
        Answer::to(request.header(CONTENT_TYPE, "application/json").body(body.to_string())).await
    };
    for control in ['\u{0}', '\n', '\u{1f}', '\u{7f}', '\u{9f}'] {
        let refusal = track(json!({ format!("pl{control}an"): "x" })).await.refusal(422, "validation_failed");
        assert!(refusal.fields().contains(&("/events/0/properties/pl\u{fffd}an", "characters")), "{refusal:?}");
    }
    let refusal = track(json!({ "plan": "a\u{0}" })).await.refusal(422, "validation_failed");
    assert!(refusal.fields().iter().all(|(pointer, _)| *pointer == "/events/0/properties/plan"), "{refusal:?}");
    assert_eq!(track(json!({ "plan": "a" })).await.json(202)["stored"], 1);
    assert_eq!(app.clickhouse.count("select count() from analytics_events").await, 1);
}
