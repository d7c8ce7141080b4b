//! Exports of the audit trail.

use chrono::{TimeDelta, Utc};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Answer, CoreApp};

use crate::export::table;

#[tokio::test]
async fn entries_are_those_of_the_clinic_and_the_period() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id.to_string();
    app.patient_create(&app.other_admin(), "Bob", "Away").await;
    let found = async |filter: Value| {
        let mut audit = json!({
            "from": Utc::now() - TimeDelta::hours(1), "columns": ["action", "entity_type", "entity_id"],
            "entity_type": "patient",
        });
        audit.as_object_mut().unwrap().extend(filter.as_object().unwrap().clone());
        table(&admin, json!({ "audit": audit })).await.split_off(1)
    };
    let created = [vec!["created".to_owned(), "patient".to_owned(), patient]];
    assert_eq!(found(json!({})).await, created);
    assert_eq!(found(json!({ "action": "created", "actor_user_id": admin.person().user_id })).await, created);
    assert_eq!(found(json!({ "to": Utc::now() + TimeDelta::hours(1), "entity_id": created[0][2] })).await, created);
    for other in [
        json!({ "action": "deleted" }),
        json!({ "entity_id": "0" }),
        json!({ "from": Utc::now() + TimeDelta::hours(1) }),
        json!({ "to": Utc::now() - TimeDelta::minutes(30) }),
        json!({ "actor_user_id": app.staff().person().user_id }),
        json!({ "request_id": "019a6b1c-5d70-7aa1-8c11-0d2b6d1f3c11" }),
    ] {
        assert_eq!(found(other.clone()).await, [[""; 0]; 0], "{other}");
    }
}

#[tokio::test]
async fn texts_of_clients_run_in_no_spreadsheet() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let request = admin.request(Method::POST, "/v1/patients").header("user-agent", "=cmd|' /C calc'!A0");
    Answer::to(request.json(&json!({ "first_name": "Ann", "last_name": "Lee" }))).await.json(201);
    let audit = json!({ "from": Utc::now() - TimeDelta::hours(1), "entity_type": "patient" });
    let rows = table(&admin, json!({ "audit": audit })).await;
    assert_eq!(rows[0].len(), 18, "a table without columns has all of them");
    let cell = |name: &str| rows[1][rows[0].iter().position(|known| known == name).unwrap()].as_str();
    assert_eq!(cell("user_agent"), "'=cmd|' /C calc'!A0");
    assert_eq!((cell("ip"), cell("outcome"), cell("occurrences")), ("127.0.0.1", "succeeded", "1"));
    assert_eq!(cell("actor_user_id"), admin.person().user_id.to_string());
}
