//! Moments and periods at the edges of what the schema admits.

use chrono::{SecondsFormat, TimeDelta, Utc};
use futures_util::{StreamExt, stream};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use test_support::{Answer, Fixture, Operation, Stack, TelemetryApp, TelemetryPerson, granted};

use crate::support::{decision, millis};

/// Moments of RFC 3339, ascending: the ends of the range that operations take and of ClickHouse's, leap seconds, and
/// moments that differ by less than a database can tell.
const MOMENTS: [&str; 17] = [
    "1899-12-31T23:00:00-01:00",
    "1900-01-01T00:00:00.000001Z",
    "1900-12-31T23:59:59.999999999Z",
    "1969-12-31T23:59:59.999999999Z",
    "1970-01-01T00:00:00Z",
    "2016-12-31T23:59:59.999999999Z",
    "2016-12-31T23:59:60Z",
    "2016-12-31T23:59:60.999999999Z",
    "2025-11-10T09:00:00.000000001Z",
    "2025-11-10T09:00:00.000000801Z",
    "2149-06-06T23:59:59.999999999Z",
    "2149-06-07T00:00:00Z",
    "2262-04-11T23:47:16.854775807Z",
    "2262-04-11T23:47:16.854775808Z",
    "2299-12-31T23:59:59.999999999Z",
    "2300-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999999Z",
];
/// Moments of RFC 3339 in UTC years that no operation takes.
const OUT_OF_BOUNDS: [&str; 6] = [
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "1899-12-31T23:59:59.999999999Z",
    "1900-01-01T00:30:00+01:00",
    "9999-12-31T23:30:00-01:00",
    "9999-12-31T23:59:60Z",
];
/// Different spellings of one moment; to a microsecond, which is as fine as it is compared.
const SPELLINGS: [[&str; 2]; 4] = [
    ["2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"],
    ["2016-12-31T23:59:60.5Z", "2017-01-01T00:00:00.500Z"],
    ["2025-11-10T09:00:00Z", "2025-11-10T11:00:00+02:00"],
    ["2025-11-10T09:00:00Z", "2025-11-10T09:00:00.000000999+00:00"],
];
/// Requests under way at once.
const AT_ONCE: usize = 16;

const ADMIN: TelemetryPerson = TelemetryPerson { user: 2, organization: Some(1), role: "admin", patient: None };

/// A request of whoever may call the operation.
fn request(app: &TelemetryApp, operation: &Operation, fixture: &Fixture) -> RequestBuilder {
    let of_core = operation.security.iter().any(|scheme| scheme == "service_token");
    let token = if of_core { Stack::get().telemetry_internal_token.clone() } else { ADMIN.token() };
    let mut fixture = fixture.clone();
    if operation.path.contains("{subject_id}") {
        // Whoever it is: only Core knows people.
        fixture = fixture.with("subject_id", &990_007);
    }
    let request = app.request(operation.method.clone(), &operation.target(&fixture)).bearer_auth(token);
    fixture.json().into_iter().fold(request, RequestBuilder::json)
}

/// The operations that take two moments in their query, which are the ends of a period.
fn of_periods(app: &TelemetryApp) -> Vec<Operation> {
    let moments = |operation: &Operation| -> Vec<String> {
        let moments = operation.optional.iter().filter(|(_, schema)| schema["format"] == "date-time");
        moments.map(|(name, _)| name.clone()).collect()
    };
    let mut operations = Operation::all(&app.server);
    operations.retain(|operation| !moments(operation).is_empty());
    for operation in &operations {
        assert_eq!(moments(operation), ["from", "to"], "{}", operation.id);
    }
    operations
}

/// The operations that take moments in their body, each with an example.
fn of_moments(app: &TelemetryApp) -> Vec<(Operation, Value)> {
    let with_example = |operation: Operation| {
        let example = operation.example().filter(|example| put(&mut example.clone(), ["", ""], 0) > 0)?;
        Some((operation, example))
    };
    Operation::all(&app.server).into_iter().filter_map(with_example).collect()
}

fn period(from: &str, to: &str) -> Fixture {
    Fixture::default().with("from", &from).with("to", &to)
}

/// Every pair of moments, with their places in the order.
fn pairs() -> impl Iterator<Item = [(usize, &'static str); 2]> {
    MOMENTS.into_iter().enumerate().flat_map(|one| MOMENTS.into_iter().enumerate().map(move |other| [one, other]))
}

/// Puts the moments alternately in place of those of an example; returns how many it has.
fn put(value: &mut Value, moments: [&str; 2], seen: usize) -> usize {
    match value {
        Value::String(text) if chrono::DateTime::parse_from_rfc3339(text).is_ok() => {
            moments[seen % 2].clone_into(text);
            seen + 1
        }
        Value::Array(items) => items.iter_mut().fold(seen, |seen, item| put(item, moments, seen)),
        Value::Object(fields) => fields.values_mut().fold(seen, |seen, field| put(field, moments, seen)),
        _ => seen,
    }
}

#[tokio::test]
async fn a_period_that_does_not_end_after_it_begins_is_refused_by_every_operation() {
    let app = TelemetryApp::start().await;
    let text = |moment: chrono::DateTime<Utc>| moment.to_rfc3339_opts(SecondsFormat::Nanos, true);
    let now = millis(Utc::now());
    let (before, after) = (text(now - TimeDelta::nanoseconds(1)), text(now + TimeDelta::nanoseconds(999)));
    let hour = text(now - TimeDelta::hours(1));
    let now = text(now);
    let operations = of_periods(&app);
    let ids: Vec<&str> = operations.iter().map(|operation| operation.id.as_str()).collect();
    assert_eq!(ids, ["analytics_summary_get", "audit_log_list", "security_event_list"]);
    for operation in &operations {
        let equal = SPELLINGS.iter().flat_map(|[one, other]| [(*one, *other), (*other, *one)]);
        let reversed = [(&now, &hour), (&now, &before), (&now, &now), (&now, &after), (&after, &now)];
        for (from, to) in reversed.map(|(from, to)| (from.as_str(), to.as_str())).into_iter().chain(equal) {
            let refusal = Answer::to(request(&app, operation, &period(from, to))).await.refusal(400, "invalid_range");
            assert_eq!(refusal.fields(), [("from", "range")], "{} from {from} to {to}", operation.id);
        }
        Answer::to(request(&app, operation, &period(&hour, &now))).await.json(200);
    }
}

#[tokio::test]
async fn moments_in_other_years_are_refused() {
    let app = TelemetryApp::start().await;
    for operation in of_periods(&app) {
        for moment in OUT_OF_BOUNDS {
            for (from, to) in [(moment, MOMENTS[6]), (MOMENTS[6], moment)] {
                let answer = Answer::to(request(&app, &operation, &period(from, to))).await;
                answer.refusal(400, "invalid_parameter");
            }
        }
    }
    for (operation, example) in of_moments(&app) {
        for moment in OUT_OF_BOUNDS {
            let mut body = example.clone();
            let count = put(&mut body, [moment, moment], 0);
            let answer = Answer::to(request(&app, &operation, &Fixture::default().body(body))).await;
            let refusal = answer.refusal(422, "validation_failed");
            let mut pointers: Vec<&str> = refusal.fields().into_iter().map(|(pointer, _)| pointer).collect();
            pointers.dedup();
            assert_eq!(pointers.len(), count, "{} with {moment}: {refusal:?}", operation.id);
        }
    }
}

#[tokio::test]
async fn a_moment_is_stored_alike_however_it_is_spelt() {
    let app = TelemetryApp::start().await;
    let revocation = Operation::all(&app.server).into_iter().find(|all| all.id == "access_revocation_create");
    let revocation = revocation.expect("Core revokes tokens");
    // The latest time of a user is kept, so each revocation has a user of its own.
    let mut users = 1_u32..;
    for spellings in SPELLINGS {
        let mut stored = Vec::new();
        for moment in spellings {
            let body = json!({ "user_id": users.next(), "not_before": moment });
            let answer = Answer::to(request(&app, &revocation, &Fixture::default().body(body))).await;
            stored.push(answer.json(201)["not_before"].clone());
        }
        assert_eq!(stored[0], stored[1], "{spellings:?}");
    }
}

#[tokio::test]
async fn no_period_of_the_schema_is_a_fault_of_the_service() {
    let app = TelemetryApp::start().await;
    let operations = of_periods(&app);
    let tried = operations.iter().flat_map(|operation| pairs().map(move |pair| (operation, pair)));
    let answers = stream::iter(tried).map(|(operation, [(i, from), (j, to)])| {
        let request = request(&app, operation, &period(from, to));
        async move {
            let answer = Answer::to(request).await;
            let status = answer.status.as_u16();
            let right = if i < j { [200, 400].contains(&status) } else { status == 400 };
            assert!(right, "{} from {from} to {to}: {status} {}", operation.id, answer.body);
        }
    });
    let count = answers.buffer_unordered(AT_ONCE).count().await;
    assert_eq!(count, 3 * MOMENTS.len() * MOMENTS.len());
}

#[tokio::test]
async fn no_moment_of_a_body_is_a_fault_of_the_service() {
    let app = TelemetryApp::start().await;
    granted(app.person(&ADMIN).consent_put().body(decision(true, true, true)).send().await, 200);
    let mut requests = Vec::new();
    let mut operations = Vec::new();
    for (operation, example) in of_moments(&app) {
        for [(_, one), (_, other)] in pairs() {
            let mut body = example.clone();
            put(&mut body, [one, other], 0);
            let request = request(&app, &operation, &Fixture::default().body(body));
            requests.push((format!("{} with {one} and {other}", operation.id), request));
        }
        operations.push(operation.id);
    }
    let all = [
        "access_revocation_create",
        "analytics_track",
        "audit_ingest",
        "media_event_track",
        "pose_frame_track",
        "privacy_subject_consent_put",
    ];
    assert_eq!(operations, all);
    let answers = stream::iter(requests).map(|(what, request)| async move {
        let answer = Answer::to(request).await;
        assert!(answer.status.as_u16() < 500, "{what}: {} {}", answer.status, answer.body);
        answer.status.is_success()
    });
    let answers: Vec<bool> = answers.buffer_unordered(AT_ONCE).collect().await;
    assert!(answers.iter().filter(|stored| **stored).count() > answers.len() / 2, "most of them are well formed");
}
