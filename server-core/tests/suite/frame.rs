//! What every answer has, whoever asks for whatever.

use reqwest::Method;
use test_support::{Answer, CoreApp};

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
async fn the_callers_request_id_is_kept_and_a_strange_one_replaced() {
    let app = CoreApp::start().await;
    let ask = |id: String| app.admin().request(Method::GET, "/v1/me").header("x-request-id", id);
    let id = "front-end_0190b6a0-7c1e";
    assert_eq!(Answer::to(ask(id.to_owned())).await.header("x-request-id"), id);
    let refused = app.admin().request(Method::GET, "/v1/patients/4711").header("x-request-id", id);
    assert_eq!(Answer::to(refused).await.refusal(404, "patient_not_found").request_id, id);
    for strange in ["short", "with blank inside", "<script>alert(1)</script>", &"a".repeat(65)] {
        let answer = Answer::to(ask(strange.to_owned())).await;
        let made = answer.header("x-request-id");
        assert!(uuid::Uuid::parse_str(made).is_ok(), "{strange:?} became {made:?}");
    }
    let (one, two) =
        (Answer::to(app.admin().request(Method::GET, "/v1/me")).await, Answer::to(ask("short".into())).await);
    assert_ne!(one.header("x-request-id"), two.header("x-request-id"));
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
