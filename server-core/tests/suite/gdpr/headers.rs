//! Text that people write into headers and titles, in their own requests and in requests about another person:
//! erasure leaves nothing of it, in any store or log.

use reqwest::{Method, header::HeaderMap};
use serde_json::json;
use test_support::{Actor, Answer, ClerkApi, Clinic, in_days};
use uuid::Uuid;

use super::{clinic, finished, outbox_empty, planting::plant};

/// Headers with free text, each with a text of its own.
const WRITTEN: [&str; 12] = [
    "accept-language",
    "baggage",
    "cookie",
    "from",
    "idempotency-key",
    "referer",
    "svix-id",
    "traceparent",
    "via",
    "x-correlation-id",
    "x-forwarded-for",
    "x-request-id",
];

/// Returns the text that `who` writes into a header.
fn words(who: &str, header: &str) -> String {
    format!("planted-{who}-{header}")
}

fn headers(who: &str) -> HeaderMap {
    let written = WRITTEN.iter().map(|header| (header.parse().unwrap(), words(who, header).parse().unwrap()));
    written.collect()
}

/// Reads, writes and refusals about a patient, at both services.
async fn requests(clinic: &Clinic, who: &str, actor: &Actor, patient: i64, hour: u32) {
    let (app, specialist) = (&clinic.core, clinic.core.home().specialist_id);
    let at = in_days(30, hour);
    let booking = json!({
        "title": words(who, "title"), "specialist_id": specialist, "patient_id": patient, "started_at": at,
        "ended_at": at + chrono::TimeDelta::minutes(30)
    });
    let read = actor.request(Method::GET, &format!("/v1/patients/{patient}"));
    Answer::to(read.headers(headers(who))).await.json(200);
    let write = actor.request(Method::POST, "/v1/appointments").json(&booking);
    let status = Answer::to(write.headers(headers(who))).await.status.as_u16();
    assert!([201, 403].contains(&status), "{who}: {status}");
    let unknown = actor.request(Method::GET, "/v1/patients/4711");
    Answer::to(unknown.headers(headers(who))).await.refusal(404, "patient_not_found");
    let strange = actor.request(Method::from_bytes(words(who, "METHOD").as_bytes()).unwrap(), "/v1/me");
    assert!(Answer::to(strange.headers(headers(who))).await.status.is_client_error());
    let token = Answer::to(actor.request(Method::POST, "/v1/me/telemetry-token")).await.json(201)["token"].clone();
    let telemetry = reqwest::Client::builder().build().unwrap();
    for path in ["/v1/privacy/consent", "/v1/audit/logs"] {
        let url = format!("{}{path}", clinic.telemetry.url());
        let asked = telemetry.get(url).bearer_auth(token.as_str().unwrap()).headers(headers(who)).send().await;
        assert!([200, 403].contains(&asked.unwrap().status().as_u16()));
    }
    outbox_empty(app).await;
}

#[tokio::test]
async fn nothing_that_was_written_into_headers_and_titles_is_left() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, admin) = (&clinic.core, clinic.core.admin());
    let planted = plant(app, &clerk).await;
    let person = app.actor(&planted.person).in_organization(app.home().id);
    // Request ids in the form of ids, and user agents.
    let own = Uuid::new_v4();
    for request in [
        person.request(Method::GET, "/v1/me"),
        person.request(Method::GET, &format!("/v1/patients/{}", planted.patient.id)),
        person.request(Method::GET, "/v1/patients"),
    ] {
        let answer =
            Answer::to(request.header("x-request-id", own.to_string()).header("user-agent", "planted-own-agent"));
        let answer = answer.await;
        assert_eq!(answer.header("x-client-request-id"), own.to_string());
        assert_ne!(answer.header("x-request-id"), own.to_string());
    }
    requests(&clinic, "own", &person, planted.patient.id, 9).await;
    requests(&clinic, "others", &admin, planted.patient.id, 11).await;

    // Before the erasure: ids are stored where it reaches them, and free text nowhere.
    let places = async |value: &str| {
        let mut found = app.search(value).await;
        found.extend(clinic.telemetry.search(value).await);
        found.iter().map(|place| format!("{}.{}", place.table, place.column)).collect::<Vec<_>>()
    };
    let personal =
        |column: &str| vec![format!("public.audit_personal.{column}"), format!("audit.audit_personal.{column}")];
    assert_eq!(places(&own.to_string()).await, personal("client_request_id"));
    assert_eq!(places("planted-own-agent").await, personal("user_agent"));
    assert_eq!(places(&words("others", "title")).await, ["public.appointments.title_encrypted"]);
    for who in ["own", "others"] {
        for header in WRITTEN {
            assert_eq!(places(&words(who, header)).await, Vec::<String>::new(), "{header} is kept");
        }
    }

    let asked = admin.gdpr_user_erase().user_id(planted.person.user_id).send().await.unwrap();
    finished(&admin, asked.job_id).await;
    outbox_empty(app).await;
    let values = ["own", "others"].into_iter().flat_map(|who| {
        WRITTEN.iter().chain(&["title", "METHOD"]).map(move |header| words(who, header)).collect::<Vec<_>>()
    });
    for value in values.chain([own.to_string(), "planted-own-agent".to_owned()]) {
        assert_eq!(places(&value).await, Vec::<String>::new(), "{value} is left");
        for (name, server) in [("Core", &app.server), ("Telemetry", &clinic.telemetry.server)] {
            assert!(!server.log().contains(&value), "{name} logs {value}");
        }
    }
}
