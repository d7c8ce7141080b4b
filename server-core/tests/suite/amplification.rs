//! No request costs Core much more work, output or memory than the size of the request.

use test_support::{CoreApp, assert_bounded};

#[tokio::test]
async fn whatever_is_sent_to_an_operation_is_refused_within_bounds() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let refused =
        assert_bounded(&app.server, |operation, target| admin.request(operation.method.clone(), target)).await;
    assert!(refused > 1_000, "only {refused} requests were tried");
}
