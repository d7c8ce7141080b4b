//! The document of an export.

use futures_util::StreamExt;
use reqwest::Method;
use restartix_sdk::core::types::PersonExport;
use serde_json::Value;
use test_support::{Actor, Answer, ClerkApi, CoreApp, granted};

use super::{
    clinic, count, execute, outbox_empty,
    planting::{USER, plant},
    registry::personal,
};

async fn export(admin: &Actor, user: i64) -> String {
    let mut stream = granted(admin.gdpr_user_export().user_id(user).send().await, 200).into_inner();
    let mut body = Vec::new();
    while let Some(chunk) = stream.next().await {
        body.extend_from_slice(&chunk.unwrap());
    }
    String::from_utf8(body).unwrap()
}

/// Returns the document's rows of a table in which the person is found in one way.
fn rows<'a>(document: &'a Value, table: &str, found_by: &str) -> Vec<&'a Value> {
    let holdings = document["core"].as_array().unwrap().iter();
    let here = holdings.filter(|holding| holding["table"] == table && holding["found_by"] == found_by);
    here.flat_map(|holding| holding["rows"].as_array().unwrap()).collect()
}

#[tokio::test]
async fn an_export_shows_what_is_held() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, admin) = (&clinic.core, clinic.core.admin());
    let planted = plant(app, &clerk).await;
    granted(admin.patient_create().body(CoreApp::new_patient("Otherfirst", "Otherlast")).send().await, 201);
    outbox_empty(app).await;
    let text = export(&admin, USER).await;
    for line in personal(app).iter().filter(|line| line.shown != "-") {
        // A clinic is not shown other organizations of the person.
        let Some(needle) = planted.needle(line).filter(|needle| needle.column != "current_organization_id") else {
            continue;
        };
        assert!(text.contains(&needle.value), "{}.{} is not in the export: {text}", line.table, line.column);
    }
    assert!(text.contains("scan.txt") && text.contains("photo.txt"), "{text}");
    assert!(!text.contains("Otherfirst") && !text.contains("planted-agent-of-none"), "{text}");
    serde_json::from_str::<PersonExport>(&text).expect("it is the document that the specification describes");
    // An invited address is encrypted with the invitation's own key.
    let document: Value = serde_json::from_str(&text).unwrap();
    let invited = rows(&document, "invitations", "address:email_index");
    assert!(
        !invited.is_empty() && invited.iter().all(|row| row["email"] == "planted-login@example.org"),
        "{invited:?}"
    );
    let platform = export(&app.superadmin(), USER).await;
    assert!(platform.contains("planted-agent-of-none") && platform.contains("current_organization_id"));
    // The export and each exported record are audited.
    let of = |action: &str, kind: &str, id: i64| {
        format!(
            "select count(*) from audit_log where action = '{action}' and entity_type = '{kind}' and entity_id = '{id}'
                     and operation_id = 'gdpr_user_export'"
        )
    };
    assert_eq!(count(app, of("exported", "user", USER)).await, 2);
    assert_eq!(count(app, of("read", "patient", planted.patient.id)).await, 2);
}

#[tokio::test]
async fn an_export_of_many_pages_has_each_row_once() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, admin) = (&clinic.core, clinic.core.admin());
    plant(app, &clerk).await;
    let (home, specialist) = (app.home().id, app.home().specialist_id);
    // Pages by a number and by an unordered UUID, with full last pages among them.
    let sql = format!(
        "insert into appointments (organization_id, title, status, started_at, ended_at, block, specialist_id, patient_id)
         select {home}, 'number ' || n, 'completed', now(), now() + interval '1 hour', '[,)', {specialist}, p.id
         from generate_series(1, 599) n, patients p where p.user_id = {USER};
         insert into jobs (id, organization_id, kind, created_by)
         select gen_random_uuid(), {home}, 'number_' || n, {USER} from generate_series(1, 799) n"
    );
    execute(&mut app.owner().await, &sql).await;
    let document: Value = serde_json::from_str(&export(&admin, USER).await).unwrap();
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    // The appointments of a series share a title.
    let mut booked: Vec<(String, String)> = rows(&document, "appointments", "patient:patient_id")
        .iter()
        .map(|row| (text(row, "title"), text(row, "started_at")))
        .collect();
    // One appointment took place; the four others, future or missed, belong to another holding.
    assert_eq!(booked.len(), 599 + 5);
    let mut kinds: Vec<(String, String)> =
        rows(&document, "jobs", "user:created_by").iter().map(|row| (text(row, "kind"), String::new())).collect();
    // The person's acceptance of the link left two, one of them for segments, and the planting one.
    assert_eq!(kinds.len(), 799 + 3);
    for list in [&mut booked, &mut kinds] {
        let all = list.len();
        list.sort_unstable();
        list.dedup();
        assert_eq!(list.len(), all);
    }
    let columns = |row: &Value| row.as_object().unwrap().keys().any(|name| name.starts_with('$'));
    assert!(!rows(&document, "patients", "patient:id").iter().any(|row| columns(row)), "{document}");
}

#[tokio::test]
async fn exports_have_a_small_budget_of_their_own() {
    let app = CoreApp::builder().env("RATE_LIMIT_SCALE", "1").start().await;
    let admin = app.admin();
    let mut admitted = 0;
    let refused = loop {
        // Both for users and for patients.
        let path = if admitted % 2 == 0 { "/v1/gdpr/users/999999/export" } else { "/v1/gdpr/patients/999999/export" };
        let answer = Answer::to(admin.request(Method::GET, path)).await;
        assert_eq!(answer.header("ratelimit-limit"), "5");
        if answer.status.as_u16() != 404 {
            break answer;
        }
        admitted += 1;
    };
    assert!(admitted >= 5);
    refused.refusal(429, "rate_limited");
    assert_eq!(Answer::to(admin.request(Method::GET, "/v1/me")).await.status, 200, "reads have another one");
}
