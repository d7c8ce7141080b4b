//! Answers to wrong requests: whatever the fault, the answer is the error envelope.

use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::json;
use test_support::{Actor, Answer, CoreApp};

async fn post(actor: &Actor, path: &str, body: impl Into<reqwest::Body>) -> Answer {
    Answer::to(actor.request(Method::POST, path).header(CONTENT_TYPE, "application/json").body(body)).await
}

async fn get(actor: &Actor, path: &str) -> Answer {
    Answer::to(actor.request(Method::GET, path)).await
}

#[tokio::test]
async fn what_is_no_json_is_malformed() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let bodies: [(&str, &[u8]); 7] = [
        ("cut off", br#"{"name": "Physio""#),
        ("empty", b""),
        ("text", b"name=Physio"),
        ("two values", br#"{"name": "A"} {"name": "B"}"#),
        ("not UTF-8", b"{\"name\": \"\xff\xfe\"}"),
        ("half a surrogate pair", br#"{"name": "\ud800"}"#),
        ("a trailing comma", br#"{"name": "A",}"#),
    ];
    for (what, body) in bodies {
        let refusal = post(&admin, "/v1/specialties", body).await.refusal(400, "malformed_json");
        assert!(refusal.details["line"].is_u64(), "{what}: {refusal:?}");
    }
    let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    post(&admin, "/v1/specialties", deep).await.refusal(400, "malformed_json");
    assert_eq!(app.count("select count(*) from specialties").await, 0);
}

#[tokio::test]
async fn an_unknown_field_is_named() {
    let app = CoreApp::start().await;
    let body = json!({"name": "Physio", "descripton": "misspelt"});
    let refusal = post(&app.admin(), "/v1/specialties", body.to_string()).await.refusal(400, "unknown_field");
    assert_eq!(refusal.fields(), [("/descripton", "unknown")]);
}

#[tokio::test]
async fn wrong_types_are_all_listed() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let refusal = post(&admin, "/v1/specialties", r#"{"name": 7}"#).await.refusal(422, "validation_failed");
    assert_eq!(refusal.fields(), [("/name", "type")]);
    for body in ["[]", "null", "7", "\"text\""] {
        let refusal = post(&admin, "/v1/specialties", body).await.refusal(422, "validation_failed");
        assert_eq!(refusal.fields(), [("", "type")], "{body}");
    }
    let body = json!({
        "name": "", "timezone": "Europe/Berlin", "bookable": "yes", "specialty_ids": [1, "two", 0],
    });
    let refusal = post(&admin, "/v1/specialists", body.to_string()).await.refusal(422, "validation_failed");
    let expected = [
        ("/bookable", "type"),
        ("/name", "min_length"),
        ("/name", "pattern"),
        ("/specialty_ids/1", "type"),
        ("/specialty_ids/2", "minimum"),
    ];
    assert_eq!(refusal.fields(), expected);
    let refusal = post(&admin, "/v1/appointments", "{}").await.refusal(422, "validation_failed");
    let expected = [
        ("/ended_at", "required"),
        ("/patient_id", "required"),
        ("/specialist_id", "required"),
        ("/started_at", "required"),
    ];
    assert_eq!(refusal.fields(), expected);
}

#[tokio::test]
async fn with_both_kinds_of_fault_the_request_is_malformed_and_all_are_listed() {
    let app = CoreApp::start().await;
    let body = json!({"name": 7, "color": "red"});
    let refusal = post(&app.admin(), "/v1/specialties", body.to_string()).await.refusal(400, "unknown_field");
    assert_eq!(refusal.fields(), [("/color", "unknown"), ("/name", "type")]);
}

#[tokio::test]
async fn numbers_that_are_whole_are_integers_and_others_are_not() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let specialist = |id: &str| format!(r#"{{"name": "A", "timezone": "Europe/Berlin", "specialty_ids": [{id}]}}"#);
    // The value is well formed, but there is no such specialty.
    let refusal = post(&admin, "/v1/specialists", specialist("4711.0")).await.refusal(422, "validation_failed");
    assert_eq!(refusal.fields(), [("/specialty_ids/0", "unknown_reference")]);
    for (id, rule) in [("9007199254740992", "maximum"), ("1e300", "maximum"), ("-1", "minimum"), ("0.5", "type")] {
        let refusal = post(&admin, "/v1/specialists", specialist(id)).await.refusal(422, "validation_failed");
        assert!(refusal.fields().iter().all(|(pointer, _)| *pointer == "/specialty_ids/0"), "{id}: {refusal:?}");
        assert!(refusal.fields().iter().any(|(_, broken)| *broken == rule), "{id}: {refusal:?}");
    }
}

#[tokio::test]
async fn what_stands_nowhere_in_the_specification_is_not_there() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    for path in ["/", "/v1", "/v1/nothing", "/v1/patients/", "/v1/patients/1/secrets", "/V1/me"] {
        get(&admin, path).await.refusal(404, "route_not_found");
    }
}

#[tokio::test]
async fn a_wrong_method_says_which_are_right() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    for (method, path, allow) in [
        (Method::PATCH, "/v1/me", "DELETE, GET, HEAD"),
        (Method::PATCH, "/v1/patients/1", "DELETE, GET, HEAD, PUT"),
        (Method::GET, "/v1/appointments/1/cancel", "POST"),
        (Method::PUT, "/v1/specialties", "GET, HEAD, POST"),
        (Method::POST, "/docs", "GET, HEAD"),
    ] {
        let answer = Answer::to(admin.request(method, path)).await;
        assert_eq!(answer.refusal(405, "method_not_allowed").header("allow"), allow, "{path}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_announced_or_not() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let large = format!(r#"{{"name": "{}"}}"#, "x".repeat(1024 * 1024));
    let refusal = post(&admin, "/v1/specialties", large.clone()).await.refusal(413, "body_too_large");
    assert_eq!(refusal.details["limit"], 1024 * 1024);
    // Sent in chunks, without a Content-Length.
    let pieces: Vec<Result<Vec<u8>, std::io::Error>> =
        large.into_bytes().chunks(64 * 1024).map(|c| Ok(c.to_vec())).collect();
    let streamed = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    post(&admin, "/v1/specialties", streamed).await.refusal(413, "body_too_large");
    // A body of exactly the largest size is read and validated.
    let rest = r#"{"name": "", "description": ""}"#.len();
    let fits = format!(r#"{{"name": "", "description": "{}"}}"#, "x".repeat(1024 * 1024 - rest));
    assert_eq!(fits.len(), 1024 * 1024);
    let refusal = post(&admin, "/v1/specialties", fits).await.refusal(422, "validation_failed");
    assert_eq!(refusal.fields(), [("/description", "max_length"), ("/name", "min_length"), ("/name", "pattern")]);
}

#[tokio::test]
async fn another_content_type_is_refused() {
    let app = CoreApp::start().await;
    let body = r#"{"name": "Physio"}"#;
    for content_type in ["text/plain", "application/xml", "application/x-www-form-urlencoded", "nonsense"] {
        let request =
            app.admin().request(Method::POST, "/v1/specialties").header(CONTENT_TYPE, content_type).body(body);
        Answer::to(request).await.refusal(415, "unsupported_media_type");
    }
    let untyped = app.admin().request(Method::POST, "/v1/specialties").body(body);
    Answer::to(untyped).await.refusal(415, "unsupported_media_type");
    let request = app.admin().request(Method::POST, "/v1/specialties");
    let spelt = request.header(CONTENT_TYPE, "Application/JSON; charset=UTF-8").body(body);
    assert_eq!(Answer::to(spelt).await.json(201)["name"], "Physio");
}

#[tokio::test]
async fn faults_of_path_and_query_are_named() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let refusal = get(&admin, "/v1/patients?serach=ann").await.refusal(400, "unknown_parameter");
    assert_eq!(refusal.fields(), [("serach", "unknown")]);
    for (path, name) in [
        ("/v1/patients/abc", "patient_id"),
        ("/v1/patients/0", "patient_id"),
        ("/v1/patients/-1", "patient_id"),
        ("/v1/patients/9007199254740992", "patient_id"),
        ("/v1/appointments/uid/not-a-uuid", "uid"),
        ("/v1/patients?page=0", "page"),
        ("/v1/patients?page=x", "page"),
        ("/v1/patients?page_size=101", "page_size"),
        ("/v1/patients?sort=email", "sort"),
        ("/v1/appointments?from=yesterday", "from"),
        ("/v1/appointments?status=lost", "status"),
    ] {
        let refusal = get(&admin, path).await.refusal(400, "invalid_parameter");
        assert_eq!(refusal.fields(), [(name, "invalid")], "{path}");
        assert!(!refusal.message.contains("abc"), "the caller's text is not repeated");
    }
}

#[tokio::test]
async fn the_character_that_no_text_can_hold_is_refused_everywhere() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    for path in ["/v1/patients?search=a%00b", "/v1/organizations/slug/a%00"] {
        get(&admin, path).await.refusal(400, "invalid_parameter");
    }
    // A percent-encoded character in an id matches no route.
    get(&admin, "/v1/patients/1%00").await.refusal(404, "route_not_found");
    let refusal = post(&admin, "/v1/specialties", r#"{"name": "a\u0000b"}"#).await.refusal(422, "validation_failed");
    assert_eq!(refusal.fields(), [("/name", "format"), ("/name", "pattern")]);
}

#[tokio::test]
async fn a_query_is_bounded_and_an_answer_repeats_little_of_it() {
    let app = CoreApp::start().await;
    let http = reqwest::Client::builder().build().unwrap();
    let health = |query: String| Answer::to(http.get(format!("{}/health?{query}", app.url())));
    let refusal = health(vec!["a"; 15_000].join("&")).await.refusal(400, "query_too_large");
    assert_eq!(refusal.details["parameters"], 200);
    health(format!("a={}", "x".repeat(9_000))).await.refusal(400, "query_too_large");
    let refusal = health(vec!["a"; 200].join("&")).await.refusal(400, "unknown_parameter");
    assert_eq!(refusal.fields(), [("a", "unknown")], "each name once");
    let names: Vec<String> = (0..200).map(|n| format!("p{n}")).collect();
    let answer = health(names.join("&")).await;
    let refusal = answer.refusal(400, "unknown_parameter");
    assert_eq!((refusal.fields().len(), refusal.details["count"].as_u64()), (100, Some(200)));
    assert!(answer.body.len() < 16 * 1024, "{} bytes answer {}", answer.body.len(), names.join("&").len());
}

#[tokio::test]
async fn a_hundred_faults_of_a_body_are_listed_and_all_counted() {
    let app = CoreApp::start().await;
    let fields: serde_json::Map<String, serde_json::Value> = (0..900).map(|n| (format!("f{n}"), json!(n))).collect();
    let body = serde_json::Value::Object(fields).to_string();
    let refusal = post(&app.admin(), "/v1/specialties", body).await.refusal(400, "unknown_field");
    // `name` is missing as well.
    assert_eq!((refusal.fields().len(), refusal.details["count"].as_u64()), (100, Some(901)));
    let zeros = format!("[{}0]", "0,".repeat(2_000));
    let refusal = post(&app.admin(), "/v1/specialties", zeros).await.refusal(413, "too_many_values");
    assert!(refusal.details["limit"].as_u64().is_some_and(|limit| (1_000..1_100).contains(&limit)), "{refusal:?}");
}

#[tokio::test]
async fn an_organization_that_is_not_ones_own_is_not_there() {
    let app = CoreApp::start().await;
    let stranger = app.admin().in_organization(app.away().id);
    get(&stranger, "/v1/patients").await.refusal(404, "organization_not_found");
    let nowhere = app.admin().in_organization(4711);
    get(&nowhere, "/v1/me").await.refusal(404, "organization_not_found");
    for header in ["", "abc", "0", "-1", "1 ", "99999999999999999999"] {
        let request = app.admin().request(Method::GET, "/v1/me").header("x-organization-id", header);
        let answer = Answer::to(request).await;
        if header == "1 " {
            // HTTP trims white space around a header's value: this one is the home clinic's id.
            assert_eq!(answer.json(200)["organization_id"], app.home().id);
        } else {
            answer.refusal(400, "invalid_parameter");
        }
    }
    let request = app.admin().request(Method::GET, "/v1/me").header("x-organization-id", &b"\xff"[..]);
    Answer::to(request).await.refusal(400, "invalid_parameter");
}
