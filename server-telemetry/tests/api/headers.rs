//! Text that clients write into the headers of their requests: this service neither stores nor logs it, except
//! a request id and the user agent, which erasure removes.

use reqwest::{Method, header::HeaderMap};
use restartix_sdk::telemetry::types::ErasureMode;
use test_support::{Answer, TelemetryApp, TelemetryPerson, eventually};
use uuid::Uuid;

use crate::{
    chain::{count, verify},
    erasure::{SOON, run},
    planted::{ORGANIZATION, SUBJECT},
};

/// Headers with arbitrary text.
const WRITTEN: [&str; 9] = [
    "accept-language",
    "cookie",
    "idempotency-key",
    "referer",
    "sec-gpc",
    "traceparent",
    "x-forwarded-for",
    "x-organization-id",
    "x-request-id",
];

fn words(header: &str) -> String {
    format!("planted-{header}")
}

async fn places(app: &TelemetryApp, value: &str) -> Vec<String> {
    app.search(value).await.iter().map(|place| format!("{}.{}", place.table, place.column)).collect()
}

#[tokio::test]
async fn words_are_kept_nowhere_and_ids_until_the_person_is_erased() {
    let app = TelemetryApp::start().await;
    let admin =
        TelemetryPerson { user: SUBJECT, organization: Some(ORGANIZATION), role: "admin", patient: None }.token();
    let staff =
        TelemetryPerson { user: SUBJECT, organization: Some(ORGANIZATION), role: "staff", patient: None }.token();
    let written: HeaderMap = WRITTEN
        .iter()
        .map(|header| (header.parse().expect("a header"), words(header).parse().expect("a header")))
        .collect();
    let own = Uuid::new_v4();
    // The trail has an entry about the reading, and one about the refusal.
    for (token, status) in [(&admin, 200), (&staff, 403)] {
        let ask = || app.request(Method::GET, "/v1/audit/logs").bearer_auth(token);
        let answer = Answer::to(ask().headers(written.clone())).await;
        assert_eq!(answer.status.as_u16(), status);
        assert!(!answer.headers.contains_key("x-client-request-id"));
        let answer =
            Answer::to(ask().header("x-request-id", own.to_string()).header("user-agent", "planted-agent")).await;
        assert_eq!(answer.header("x-client-request-id"), own.to_string());
        assert_ne!(answer.header("x-request-id"), own.to_string());
    }
    eventually("the refusal is in the trail", SOON, || async {
        let sql = "select count(*) from audit.audit_personal where client_request_id is not null";
        count(&mut app.database.owner().await, sql).await == 2
    })
    .await;
    assert_eq!(places(&app, &own.to_string()).await, ["audit.audit_personal.client_request_id"]);
    assert_eq!(places(&app, "planted-agent").await, ["audit.audit_personal.user_agent"]);
    let nowhere = async || {
        for header in WRITTEN {
            assert_eq!(places(&app, &words(header)).await, Vec::<String>::new(), "{header} is kept");
            assert!(!app.server.log().contains(&words(header)), "{header} is logged");
        }
    };
    nowhere().await;
    app.sealed().await;
    let whole = verify(&app, ORGANIZATION).await;
    assert!(whole.intact && whole.complete, "{whole:?}");

    run(&app, ErasureMode::Erase, false).await;
    nowhere().await;
    for value in [own.to_string(), "planted-agent".to_owned()] {
        assert_eq!(places(&app, &value).await, Vec::<String>::new(), "{value} is left");
        assert!(!app.server.log().contains(&value), "{value} is logged");
    }
    app.sealed().await;
    let after = verify(&app, ORGANIZATION).await;
    assert!(after.intact && after.complete && after.verified_to > whole.verified_to, "{after:?}");
}
