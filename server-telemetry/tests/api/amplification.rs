//! No request makes Telemetry compute, answer or store much more than was sent.

use test_support::{Stack, TelemetryApp, TelemetryPerson, assert_bounded};

#[tokio::test]
async fn whatever_is_sent_to_an_operation_is_refused_within_bounds() {
    let app = TelemetryApp::start().await;
    let person = TelemetryPerson { user: 7, organization: Some(1), role: "admin", patient: None }.token();
    let service = Stack::get().telemetry_internal_token.clone();
    let refused = assert_bounded(&app.server, |operation, target| {
        let of_core = operation.security.iter().any(|scheme| scheme == "service_token");
        let token = if of_core { &service } else { &person };
        app.request(operation.method.clone(), target).bearer_auth(token)
    })
    .await;
    assert!(refused > 200, "only {refused} requests were tried");
}
