//! Connections that send no request.

use test_support::{CROWDED, TelemetryApp, crowds_are_closed, granted};

#[tokio::test]
async fn sockets_that_ask_for_nothing_are_closed_and_cost_nobody_else() {
    let builder = TelemetryApp::builder().env("DB_POOL_MIN", "4").env("DB_POOL_MAX", "4");
    let app = CROWDED.iter().fold(builder, |builder, (name, value)| builder.env(name, *value)).start().await;
    let admin = app.admin(1);
    crowds_are_closed(&app.server, async || {
        granted(admin.consent_get().send().await, 200);
    })
    .await;
}
