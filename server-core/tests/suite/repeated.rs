//! A parameter, a header or a key that is given twice is refused and named, and so is an encoding that a route does
//! not take.

use reqwest::{Method, header::CONTENT_TYPE};
use test_support::{Answer, CoreApp, assert_repeats_refused};

#[tokio::test]
async fn whatever_an_operation_takes_once_is_refused_twice() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let refused =
        assert_repeats_refused(&app.server, |operation, target| admin.request(operation.method.clone(), target)).await;
    assert!(refused > 500, "only {refused} requests were tried");
}

#[tokio::test]
async fn a_filter_that_is_given_twice_is_refused_and_none_of_both_is_used() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let get = async |path: &str| Answer::to(admin.request(Method::GET, path)).await;
    for second in ["scheduled", "cancelled", "banana"] {
        let path = format!("/v1/appointments?status=cancelled&status={second}");
        let refusal = get(&path).await.refusal(400, "repeated_parameter");
        assert_eq!(refusal.fields(), [("status", "repeated")]);
    }
    get("/v1/appointments?status=banana").await.refusal(400, "invalid_parameter");
    let refusal = get("/v1/appointments?page=1&page=2&nothing=1&nothing=2").await.refusal(400, "unknown_parameter");
    assert_eq!(refusal.fields(), [("nothing", "unknown"), ("page", "repeated")]);
    get("/v1/appointments?p%61ge=1").await.json(200);
}

#[tokio::test]
async fn an_erasure_that_is_a_dry_run_and_is_none_erases_nobody() {
    let app = CoreApp::start().await;
    let patient = app.patient_record().await;
    let path = format!("/v1/gdpr/patients/{}", patient.id);
    for query in ["dry_run=false&dry_run=true", "dry_run=true&dry_run=true", "dry_run=true&dry%5Frun=false"] {
        let request =
            app.superadmin().in_organization(app.home().id).request(Method::DELETE, &format!("{path}?{query}"));
        let refusal = Answer::to(request).await.refusal(400, "repeated_parameter");
        assert_eq!(refusal.fields(), [("dry_run", "repeated")]);
    }
    assert_eq!(app.count("select count(*) from jobs where kind = 'gdpr_erasure'").await, 0);
}

#[tokio::test]
async fn a_key_that_is_given_twice_stores_nothing() {
    let app = CoreApp::start().await;
    let post = async |body: &'static str| {
        let request = app.admin().request(Method::POST, "/v1/specialties").header(CONTENT_TYPE, "application/json");
        Answer::to(request.body(body)).await
    };
    let refusal = post(r#"{"name": "A", "name": 7}"#).await.refusal(400, "repeated_key");
    assert_eq!(refusal.fields(), [("/name", "repeated"), ("/name", "type")], "the last one is looked at");
    let refusal = post(r#"{"name": "A", "color": 1, "color": 1}"#).await.refusal(400, "repeated_key");
    assert_eq!(refusal.fields(), [("/color", "repeated"), ("/color", "unknown")]);
    let refusal = post(r#"{"name": "A", "\u0000\u202ecolor": 1}"#).await.refusal(400, "unknown_field");
    assert_eq!(refusal.fields(), [("/\u{fffd}\u{fffd}color", "characters"), ("/\u{fffd}\u{fffd}color", "unknown")]);
    assert_eq!(app.count("select count(*) from specialties").await, 0);
}
