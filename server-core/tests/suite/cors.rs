//! Calls from browsers: the origins that are allowed, and the CORS headers of the answers.

use reqwest::{Method, StatusCode};
use test_support::{Answer, CoreApp};

const OURS: &str = "https://app.example.org";
const MARKS: [&str; 4] = [
    "access-control-allow-origin",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-expose-headers",
];

async fn app() -> CoreApp {
    let origins = format!("http://localhost:3000, {OURS}");
    CoreApp::builder().env("CORS_ALLOWED_ORIGINS", origins).start().await
}

async fn preflight(app: &CoreApp, origin: &str, path: &str) -> Answer {
    let http = reqwest::Client::builder().build().unwrap();
    let request = http
        .request(Method::OPTIONS, format!("{}{path}", app.url()))
        .header("origin", origin)
        .header("access-control-request-method", "PUT")
        .header("access-control-request-headers", "authorization,x-organization-id,idempotency-key");
    Answer::to(request).await
}

#[tokio::test]
async fn a_preflight_is_answered_before_anything_is_asked() {
    let app = app().await;
    for _ in 0..10 {
        let answer = preflight(&app, OURS, "/v1/patients/7").await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::NO_CONTENT, ""));
        assert_eq!(answer.header("access-control-allow-origin"), OURS);
        assert!(answer.header("access-control-allow-methods").contains("PUT"));
        for name in ["Authorization", "X-Organization-Id", "X-Api-Key", "Idempotency-Key"] {
            assert!(answer.header("access-control-allow-headers").contains(name), "{name}");
        }
        assert_eq!(answer.header("access-control-max-age"), "86400");
        assert_eq!(answer.header("vary"), "Origin");
        assert_eq!(answer.header("access-control-allow-credentials"), "", "no cookie is ever used");
        assert_eq!(answer.header("ratelimit-limit"), "");
    }
}

#[tokio::test]
async fn an_application_that_is_allowed_reads_answers_and_refusals() {
    let app = app().await;
    for (path, status) in [("/v1/me", 200), ("/v1/patients/4711", 404), ("/v1/nothing", 404)] {
        let answer = Answer::to(app.admin().request(Method::GET, path).header("origin", OURS)).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), OURS, "{path}");
        for name in
            ["RateLimit-Remaining", "Retry-After", "X-Request-Id", "X-Client-Request-Id", "Idempotency-Replayed"]
        {
            assert!(answer.header("access-control-expose-headers").contains(name), "{name} of {path}");
        }
    }
}

#[tokio::test]
async fn an_answer_to_no_origin_says_that_it_would_differ_for_one() {
    let app = app().await;
    let answer = Answer::to(app.admin().request(Method::GET, "/v1/me")).await;
    assert_eq!((answer.status, answer.header("vary")), (StatusCode::OK, "Origin"));
    for mark in MARKS {
        assert_eq!(answer.header(mark), "", "{mark}");
    }
    let without = CoreApp::builder().env("CORS_ALLOWED_ORIGINS", "").start().await;
    let untold = Answer::to(without.admin().request(Method::GET, "/v1/me")).await;
    assert_eq!(untold.header("vary"), "", "where no origin is allowed, none makes a difference");
}

#[tokio::test]
async fn others_get_no_word_that_a_browser_would_take_for_permission() {
    let app = app().await;
    let mut answers = Vec::new();
    for origin in ["https://evil.example", "https://app.example.org.evil.example", "http://app.example.org", "null"] {
        answers.push((origin, preflight(&app, origin, "/v1/me").await));
        answers.push((origin, Answer::to(app.admin().request(Method::GET, "/v1/me").header("origin", origin)).await));
    }
    for (origin, answer) in answers {
        assert!(answer.status.is_success(), "what the server does is another matter: {origin}");
        for mark in MARKS {
            assert_eq!(answer.header(mark), "", "{mark} for {origin}");
        }
        assert_eq!(answer.header("vary"), "Origin");
    }
}
