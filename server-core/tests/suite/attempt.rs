//! Refused and failed requests are in the audit log and are forwarded to Telemetry.

use reqwest::Method;
use sqlx::FromRow;
use test_support::{Answer, Clinic, CoreApp, Program, granted, in_days, refused, until};

#[derive(Debug, PartialEq, Eq, FromRow)]
struct Row {
    organization_id: i64,
    actor_kind: String,
    actor_user_id: Option<i64>,
    action: String,
    entity_type: String,
    entity_id: Option<String>,
    outcome: String,
    error_code: Option<String>,
}

/// Waits for the expected number of audit rows of refused and failed requests, and returns them.
async fn attempts(app: &CoreApp, expected: usize) -> Vec<Row> {
    let (rows, _) = until("the attempts are recorded", CoreApp::PATIENCE, || async {
        let rows: Vec<Row> = sqlx::query_as(
            "select organization_id, actor_kind, actor_user_id, action, entity_type, entity_id, outcome, error_code
             from audit_log where outcome <> 'succeeded' order by id",
        )
        .fetch_all(&mut app.owner().await)
        .await
        .unwrap();
        (rows.len() >= expected).then_some(rows)
    })
    .await;
    rows
}

fn row(organization: i64, actor: Option<i64>, operation: (&str, &str), id: Option<&str>, end: (&str, &str)) -> Row {
    Row {
        organization_id: organization,
        actor_kind: if actor.is_some() { "user" } else { "anonymous" }.to_owned(),
        actor_user_id: actor,
        action: operation.1.to_owned(),
        entity_type: operation.0.to_owned(),
        entity_id: id.map(str::to_owned),
        outcome: end.0.to_owned(),
        error_code: Some(end.1.to_owned()),
    }
}

#[tokio::test]
async fn denied_and_failed_attempts_are_recorded() {
    let mut app = CoreApp::start().await;
    let (home, staff) = (app.home().id, app.staff());
    let user = Some(app.home().staff.user_id);
    let stranger = app.other_admin().in_organization(home);
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    app.appointment_create(&staff, app.home().specialist_id, patient, in_days(2, 9)).await;

    refused(staff.appointment_delete().appointment_id(7).send().await, 403, "permission_denied");
    let twice = CoreApp::new_appointment(app.home().specialist_id, patient, in_days(2, 9));
    refused(staff.appointment_create().body(twice).send().await, 409, "slot_taken");
    // A read that finds nothing is recorded only where protected health information is read.
    refused(staff.specialist_get().specialist_id(99).send().await, 404, "specialist_not_found");
    refused(staff.patient_get().patient_id(99).send().await, 404, "patient_not_found");
    refused(stranger.appointment_list().send().await, 404, "organization_not_found");
    let anonymous = Program::new(&app.url(), "rxkey_unknown");
    refused(anonymous.patient_list().send().await, 401, "invalid_api_key");

    let expected = [
        row(home, user, ("appointment", "delete"), Some("7"), ("denied", "permission_denied")),
        row(home, user, ("appointment", "create"), None, ("failed", "slot_taken")),
        row(home, user, ("patient", "get"), Some("99"), ("failed", "patient_not_found")),
        row(0, Some(app.away().admin.user_id), ("appointment", "list"), None, ("denied", "organization_not_found")),
        row(0, None, ("patient", "list"), None, ("denied", "invalid_api_key")),
    ];
    // Failures of unknown callers are collected for a minute, or until the service stops.
    app.server.stop().await;
    let recorded = attempts(&app, expected.len()).await;
    assert_eq!(recorded, expected);
}

/// Reads the audit rows of unknown callers, as (first operation, code, occurrences, address).
async fn strangers(app: &CoreApp) -> Vec<(String, String, i32, Option<String>)> {
    sqlx::query_as(
        "select l.operation_id, l.error_code, l.occurrences, host(p.ip)
         from audit_log l left join audit_personal p on p.audit_id = l.id
         where l.actor_kind = 'anonymous' order by host(p.ip), l.error_code",
    )
    .fetch_all(&mut app.owner().await)
    .await
    .unwrap()
}

#[tokio::test]
async fn strangers_cost_one_row_a_network_however_they_try() {
    let mut app = CoreApp::builder().env("TRUSTED_PROXIES", "127.0.0.1").start().await;
    let http = reqwest::Client::builder().build().unwrap();
    for number in 1..=40 {
        for (from, path) in [
            (format!("203.0.113.{number}"), "/v1/me"),
            (format!("203.0.113.{number}"), "/v1/patients"),
            (format!("2001:db8:1:2::{number:x}"), "/v1/me"),
            ("198.51.100.7".to_owned(), "/v1/appointments"),
            (format!("203.0.113.{number}"), "/.env"),
        ] {
            let request = http.get(format!("{}{path}", app.url())).header("x-forwarded-for", from);
            Answer::to(request.bearer_auth(format!("guess-{number}"))).await;
        }
    }
    app.server.stop().await;
    let row = |operation: &str, code: &str, occurrences, ip: &str| {
        (operation.to_owned(), code.to_owned(), occurrences, Some(ip.to_owned()))
    };
    let expected = [
        row("appointment_list", "invalid_token", 40, "198.51.100.7"),
        row("me_get", "invalid_token", 40, "2001:db8:1:2::"),
        row("authentication_failed", "invalid_token", 80, "203.0.113.0"),
        row("attack_blocked", "secrets", 40, "203.0.113.0"),
    ];
    assert_eq!(strangers(&app).await, expected);
}

#[tokio::test]
async fn what_is_over_the_budget_of_failures_is_no_entry() {
    let mut app = CoreApp::builder().env("RATE_LIMIT_SCALE", "1").start().await;
    let http = reqwest::Client::builder().build().unwrap();
    let mut refused = 0;
    for _ in 0..40 {
        let answer = Answer::to(http.get(format!("{}/v1/me", app.url())).bearer_auth("guess")).await;
        refused += i32::from(answer.status == reqwest::StatusCode::TOO_MANY_REQUESTS);
    }
    app.server.stop().await;
    assert!(refused >= 10, "{refused} of 40 were over the budget");
    let recorded: Vec<_> =
        strangers(&app).await.into_iter().map(|(_, code, occurrences, _)| (code, occurrences)).collect();
    assert_eq!(recorded, [("invalid_token".to_owned(), 40 - refused)]);
}

#[tokio::test]
async fn telemetry_hears_of_the_error_and_of_how_many_attempts() {
    let clinic = Clinic::start().await;
    let (app, admin) = (&clinic.core, clinic.core.admin());
    refused(app.staff().appointment_delete().appointment_id(7).send().await, 403, "permission_denied");
    // A full queue leaves one row for many requests.
    let collapsed = "select audit_append(encode(convert_to(jsonb_build_array(jsonb_build_object(
                         'id', uuidv7(), 'occurred_at', now(), 'organization_id', $1, 'actor_kind', 'user',
                         'actor_user_id', $2, 'action', 'delete', 'entity_type', 'appointment', 'operation_id',
                         'appointment_delete', 'request_id', '', 'outcome', 'denied',
                         'error_code', 'permission_denied', 'occurrences', 250))::text, 'UTF8'), 'hex'))";
    let (home, user) = (app.home().id, app.home().staff.user_id);
    sqlx::query(collapsed).bind(home).bind(user).execute(&mut app.owner().await).await.unwrap();

    let telemetry = clinic.telemetry_of(&admin).await;
    let (entries, _) = until("Telemetry shows both", CoreApp::PATIENCE, || async {
        let search = telemetry.audit_log_list().entity_type("appointment").actor_user_id(user).send().await;
        Some(granted(search, 200).data).filter(|entries| entries.len() == 2)
    })
    .await;
    assert!(entries.iter().all(|entry| entry.error_code.as_deref() == Some("permission_denied")), "{entries:?}");
    let mut occurrences: Vec<i64> = entries.iter().map(|entry| entry.occurrences).collect();
    occurrences.sort_unstable();
    assert_eq!(occurrences, [1, 250]);
    // The number makes Telemetry record a security event.
    let events = granted(telemetry.security_event_list().kind("denied_access").send().await, 200).data;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!((events[0].actor_user_id, events[0].organization_id), (Some(user), home));
}

#[tokio::test]
async fn a_scan_is_recorded_once_by_what_it_was_after() {
    let mut app = CoreApp::start().await;
    for path in ["/.env", "/wp-admin/setup.php", "/.git/config"] {
        let answer = Answer::to(app.staff().request(Method::GET, path)).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (404, ""), "{path}");
    }
    app.server.stop().await;
    let row = |code: &str, occurrences| {
        ("attack_blocked".to_owned(), code.to_owned(), occurrences, Some("127.0.0.1".to_owned()))
    };
    assert_eq!(strangers(&app).await, [row("console", 1), row("secrets", 2)]);
}

#[tokio::test]
async fn a_path_that_holds_anything_but_an_id_is_not_repeated() {
    let app = CoreApp::start().await;
    let path = "/v1/appointments/Ann-Lee";
    Answer::to(app.staff().request(Method::DELETE, path)).await.refusal(400, "invalid_parameter");
    assert_eq!(attempts(&app, 1).await[0].entity_id, None);
}

#[tokio::test]
async fn what_is_queued_when_the_service_stops_is_written() {
    let mut app = CoreApp::start().await;
    for _ in 0..200 {
        refused(app.staff().appointment_delete().appointment_id(7).send().await, 403, "permission_denied");
    }
    app.server.stop().await;
    let denied = "select coalesce(sum(occurrences), 0) from audit_log where outcome = 'denied'";
    assert_eq!(app.count(denied).await, 200);
}
