//! Lapsed holds are found in proportion to their number, whatever a clinic has besides them and whatever the statistics
//! say of it.

use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use test_support::CoreApp;

/// Returns the ids that `expire_holds` expires for the people of the clinic tomorrow, and the buffers that it reads;
/// undoes it.
async fn expired(app: &CoreApp, database: &mut PgConnection, patient: i64) -> (Vec<i64>, i64) {
    let home = app.home();
    let call = format!(
        "select expire_holds('{{{}}}', {patient}, tstzmultirange(tstzrange(now(), now() + interval '1 day')))",
        home.specialist_id
    );
    let enter = format!("begin; select context_enter({}, {}, 'staff', null, null)", home.staff.user_id, home.id);
    sqlx::raw_sql(AssertSqlSafe(enter)).execute(&mut *database).await.unwrap();
    database.execute("savepoint call").await.unwrap();
    let explain = AssertSqlSafe(format!("explain (analyze, buffers, format json) {call}"));
    let plan: Value = sqlx::query_scalar(explain).fetch_one(&mut *database).await.unwrap();
    database.execute("rollback to savepoint call").await.unwrap();
    let ids = sqlx::query_scalar(AssertSqlSafe(call)).fetch_all(&mut *database).await.unwrap();
    database.execute("rollback").await.unwrap();
    let blocks = |name: &str| plan[0]["Plan"][name].as_i64().unwrap();
    (ids, blocks("Shared Hit Blocks") + blocks("Shared Read Blocks"))
}

#[tokio::test]
async fn lapsed_holds_are_found_without_reading_other_appointments() {
    let app = CoreApp::start().await;
    let patient = app.patient_record().await.id;
    let mut database = app.database.superuser().await;
    database.execute("analyze").await.unwrap();
    // The connection keeps the plans that it has made in an empty clinic, as those of a server do.
    let mut connection = app.database.app().await;
    for _ in 0..8 {
        expired(&app, &mut connection, patient).await;
    }
    let before = expired(&app, &mut connection, patient).await;
    let others =
        "insert into appointments (organization_id, status, started_at, ended_at, block, specialist_id, patient_id)
         select $1, 'scheduled', at, at + interval '1 hour', tstzrange(at, at + interval '1 hour'), $2, $3
         from (select now() + n * interval '1 hour' as at from generate_series(1, 10000) n) t";
    let add = sqlx::query(others).bind(app.home().id).bind(app.home().specialist_id).bind(patient);
    add.execute(&mut database).await.unwrap();
    assert_eq!(expired(&app, &mut connection, patient).await, before, "ids, and buffers read");
    let hold =
        "insert into appointments (organization_id, status, started_at, ended_at, block, specialist_id, patient_id,
                                   holder, hold_expires_at)
         values ($1, 'held', now(), now() + interval '1 minute', tstzrange(now(), now() + interval '1 minute'), $2, $3,
                 'user:0', now())
         returning id";
    let hold = sqlx::query_scalar(hold).bind(app.home().id).bind(app.home().specialist_id).bind(patient);
    let id: i64 = hold.fetch_one(&mut database).await.unwrap();
    let (ids, _) = expired(&app, &mut connection, patient).await;
    assert_eq!(ids, [id]);
    let (_, buffers) = expired(&app, &mut connection, patient).await;
    assert!(buffers < 100, "{buffers} buffers to expire one hold among 10,000 appointments");
}
