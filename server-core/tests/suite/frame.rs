//! Headers and envelopes that every answer has.

use std::collections::BTreeSet;

use reqwest::Method;
use test_support::{Answer, CoreApp};
use uuid::Uuid;

const SECURITY: [(&str, &str); 7] = [
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("strict-transport-security", "max-age=63072000; includeSubDomains"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
];

#[tokio::test]
async fn a_request_has_an_id_of_ours_and_the_callers_beside_it() {
    let app = CoreApp::start().await;
    let ask = |path: &str, id: &str| app.admin().request(Method::GET, path).header("x-request-id", id);
    let mut made = BTreeSet::new();
    let mut ours = |answer: &Answer| {
        let id = Uuid::parse_str(answer.header("x-request-id")).expect("a UUID");
        assert_eq!(id.get_version_num(), 7);
        assert!(made.insert(id), "{id} names two requests");
    };
    // A UUID, and the id of a trace, returned in the caller's spelling.
    for id in ["5f0c7d3e-4a0b-4c6f-9a55-0d2b6d1f3c11", "5F0C7D3E4A0B4C6F9A550D2B6D1F3C11"] {
        let answer = Answer::to(ask("/v1/me", id)).await;
        assert_eq!(answer.header("x-client-request-id"), id);
        ours(&answer);
        let refused = Answer::to(ask("/v1/patients/4711", id)).await;
        assert_eq!(refused.header("x-client-request-id"), id);
        ours(&refused);
        let refusal = refused.refusal(404, "patient_not_found");
        assert_ne!(refusal.request_id, id, "an error names the request as logs do");
    }
    for words in ["ada-lovelace-1815", "with blank inside", "<script>alert(1)</script>", &"a".repeat(36)] {
        let answer = Answer::to(ask("/v1/me", words)).await;
        assert!(!answer.headers.contains_key("x-client-request-id"), "{words} comes back");
        ours(&answer);
    }
    ours(&Answer::to(app.admin().request(Method::GET, "/v1/me")).await);
}

#[tokio::test]
async fn security_headers_are_on_every_answer() {
    let app = CoreApp::builder().env("HSTS_MAX_AGE", "730d").start().await;
    let admin = app.admin();
    for (path, status) in [
        ("/v1/me", 200),
        ("/health", 200),
        ("/v1/nothing", 404),
        ("/v1/patients/x", 400),
        ("/.env", 404),
        ("/docs", 200),
    ] {
        let answer = Answer::to(admin.request(Method::GET, path)).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        for (name, value) in SECURITY {
            assert_eq!(answer.header(name), value, "{name} of {path}");
        }
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy:?}");
    }
}

#[tokio::test]
async fn scanners_get_a_bare_404() {
    let app = CoreApp::start().await;
    for path in ["/.env", "/.git/config", "/wp-admin/setup.php", "/phpmyadmin/", "/v1/dump.sql"] {
        let answer = Answer::to(app.admin().request(Method::GET, path)).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (404, ""), "{path}");
    }
    let log = app.server.log();
    assert_eq!(log.matches(r#""event":"attack_path""#).count(), 5, "each is an event of the log");
    assert_eq!(log.matches(r#""target":"security""#).count(), 5, "of the kind that a security team collects");
    let http = reqwest::Client::builder().build().unwrap();
    let token = &app.server.environment()["METRICS_TOKEN"];
    let metrics = Answer::to(http.get(format!("{}/metrics", app.url())).bearer_auth(token)).await.body;
    assert!(metrics.contains(r#"http_attacks_total{kind="secrets"} 3"#), "{metrics}");
}

#[tokio::test]
async fn health_and_readiness_need_no_credentials() {
    let app = CoreApp::start().await;
    let http = reqwest::Client::builder().build().unwrap();
    let health = Answer::to(http.get(format!("{}/health", app.url()))).await.json(200);
    assert_eq!(health["status"], "ok");
    let ready = Answer::to(http.get(format!("{}/ready", app.url()))).await.json(200);
    let state = |entry: &serde_json::Value| {
        (entry["name"].as_str().unwrap().to_owned(), entry["up"].clone(), entry["required"].clone())
    };
    let states: Vec<_> = ready["dependencies"].as_array().unwrap().iter().map(state).collect();
    let expected = [("postgresql", true), ("postgresql_app", true), ("redis", false), ("s3", false)]
        .map(|(name, required)| (name.to_owned(), true.into(), required.into()));
    assert_eq!(states, expected);
}

#[tokio::test]
async fn metrics_are_for_the_operator() {
    let app = CoreApp::start().await;
    let http = reqwest::Client::builder().build().unwrap();
    let url = format!("{}/metrics", app.url());
    for (credentials, status) in [(None, 404), (Some("wrong".to_owned()), 404)] {
        let request = credentials.iter().fold(http.get(&url), reqwest::RequestBuilder::bearer_auth);
        assert_eq!(Answer::to(request).await.status.as_u16(), status);
    }
    let token = &app.server.environment()["METRICS_TOKEN"];
    Answer::to(app.admin().request(Method::GET, "/v1/me")).await.json(200);
    let metrics = Answer::to(http.get(&url).bearer_auth(token)).await;
    assert_eq!(metrics.status.as_u16(), 200);
    assert!(metrics.body.contains(r#"operation="me_get""#), "{}", metrics.body);
}

#[tokio::test]
async fn the_documentation_is_served_offline() {
    let app = CoreApp::start().await;
    let http = reqwest::Client::builder().build().unwrap();
    let spec = Answer::to(http.get(format!("{}/openapi.json", app.url()))).await;
    let printed = String::from_utf8(app.server.run("openapi")).unwrap();
    assert_eq!(spec.body, printed, "what is served is what is printed");
    let docs = Answer::to(http.get(format!("{}/docs", app.url()))).await;
    assert!(docs.header("content-type").starts_with("text/html"));
    for external in ["src=\"http", "href=\"http", "@import"] {
        assert!(!docs.body.contains(external), "/docs loads something from elsewhere: {external}");
    }
}
