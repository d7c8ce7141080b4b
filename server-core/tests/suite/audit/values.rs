//! The trail holds names of fields, never their values, and is never changed.

use restartix_sdk::core::types::UpdatePatient;
use sqlx::{AssertSqlSafe, Executor};
use test_support::{CoreApp, granted};

use crate::patient::{complete, unchanged};

#[tokio::test]
async fn nobody_changes_the_trail() {
    let app = CoreApp::start().await;
    app.patient_create(&app.staff(), "Ann", "Lee").await;
    let enter = "select context_enter(1, 1, 'admin', null, null)";
    for (who, mut database) in [
        ("the application", app.database.app().await),
        ("the owner", app.database.owner().await),
        ("the superuser", app.database.superuser().await),
    ] {
        for sql in [
            "update audit_log set action = 'nothing'",
            "delete from audit_log",
            "truncate audit_log cascade",
            "update audit_log set outcome = 'denied' where false or id = id",
        ] {
            let script = format!("begin; {enter}; {sql}");
            let error = sqlx::raw_sql(AssertSqlSafe(script)).execute(&mut database).await.unwrap_err();
            let code =
                error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default().into_owned();
            assert_eq!(code, "42501", "{who}: {sql}: {error}");
            database.execute("rollback").await.unwrap();
        }
    }
    assert_eq!(app.count("select count(*) from audit_log where action = 'created'").await, 1);
}

#[tokio::test]
async fn the_trail_holds_no_value_of_a_field() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let patient = granted(admin.patient_create().body(complete()).send().await, 201);
    let change = UpdatePatient { clinical_notes: Some("Planted note.".to_owned()), ..unchanged(&patient) };
    granted(admin.patient_update().patient_id(patient.id).body(change).send().await, 200);
    granted(admin.patient_list().email("grace.sample@example.com").search("Grace").send().await, 200);
    let trail: String = sqlx::query_scalar(
        "select string_agg(t, E'\\n') from (
             select to_jsonb(l)::text as t from audit_log l
             union all select to_jsonb(p)::text from audit_personal p
             union all select to_jsonb(o)::text from audit_outbox o) all_rows",
    )
    .fetch_one(&mut app.owner().await)
    .await
    .unwrap();
    assert!(trail.contains("clinical_notes"), "the names of fields are there");
    for value in ["Grace", "Sample", "example.com", "1234567", "1980", "L01X00T47", "Quince", "Alan", "knee", "Planted"]
    {
        assert!(!trail.to_lowercase().contains(&value.to_lowercase()), "{value} is in the audit trail");
    }
}
