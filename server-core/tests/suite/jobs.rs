//! The runner of background jobs: what is due is done once, whoever dies meanwhile.

use sqlx::PgConnection;
use test_support::{CoreApp, until};

/// The runner's own housekeeping: removes rows of jobs that ended long ago.
const EXPIRE: &str = "jobs_expire";

/// A finished job that ended some days ago.
async fn finished(owner: &mut PgConnection, days_ago: i32, keep_days: i32) -> uuid::Uuid {
    sqlx::query_scalar(
        "insert into jobs (id, organization_id, kind, state, finished_at, keep_days)
         values (gen_random_uuid(), 1, 'of_no_handler', 'succeeded', now() - make_interval(days => $1), $2)
         returning id",
    )
    .bind(days_ago)
    .bind(keep_days)
    .fetch_one(owner)
    .await
    .unwrap()
}

async fn ids(owner: &mut PgConnection) -> Vec<uuid::Uuid> {
    sqlx::query_scalar("select id from jobs where kind = 'of_no_handler' order by created_at")
        .fetch_all(owner)
        .await
        .unwrap()
}

/// (state, attempts, in seconds) of the housekeeping's one row.
async fn task(owner: &mut PgConnection) -> Option<(String, i32, f64)> {
    sqlx::query_as("select state, attempts, extract(epoch from run_at - now())::float8 from jobs where kind = $1")
        .bind(EXPIRE)
        .fetch_optional(owner)
        .await
        .unwrap()
}

async fn due_now(owner: &mut PgConnection) {
    sqlx::query("update jobs set run_at = now() where kind = $1").bind(EXPIRE).execute(owner).await.unwrap();
}

/// Waits until housekeeping is done and planned again; in how many seconds.
async fn task_done(app: &CoreApp) -> f64 {
    let (task, _) = until("housekeeping is done and planned again", CoreApp::PATIENCE, || async {
        let task = task(&mut app.owner().await).await;
        task.filter(|(state, attempts, wait)| state == "queued" && *attempts == 0 && *wait > 0.0)
    })
    .await;
    task.2
}

#[tokio::test]
async fn housekeeping_removes_what_is_kept_no_longer_and_comes_back() {
    let app = CoreApp::start().await;
    let mut owner = app.owner().await;
    let wait = task_done(&app).await;
    assert!(wait > 3000.0 && wait <= 3600.0, "it comes back in an hour, not in {wait} s");

    let old = finished(&mut owner, 31, 30).await;
    let kept = finished(&mut owner, 31, 365).await;
    let young = finished(&mut owner, 29, 30).await;
    assert_eq!(ids(&mut owner).await.len(), 3);
    due_now(&mut owner).await;
    task_done(&app).await;
    let left = ids(&mut owner).await;
    assert!(!left.contains(&old) && left.contains(&kept) && left.contains(&young), "{left:?}");
}

#[tokio::test]
async fn a_second_process_plans_no_second_task() {
    let app = CoreApp::start().await;
    let mut owner = app.owner().await;
    task_done(&app).await;
    let _second = app.second_core().await;
    due_now(&mut owner).await;
    task_done(&app).await;
    assert_eq!(app.count("select count(*) from jobs where kind = 'jobs_expire'").await, 1);
}

#[tokio::test]
async fn a_job_whose_process_was_killed_is_taken_over() {
    let mut app = CoreApp::start().await;
    let mut owner = app.owner().await;
    task_done(&app).await;
    app.server.kill();
    // As a process leaves it that is killed at work.
    sqlx::query(
        "update jobs set state = 'running', attempts = 1, lease = gen_random_uuid(),
                         leased_until = clock_timestamp() + interval '2 seconds' where kind = $1",
    )
    .bind(EXPIRE)
    .execute(&mut owner)
    .await
    .unwrap();
    let old = finished(&mut owner, 31, 30).await;
    app.server.start().await;
    task_done(&app).await;
    assert!(!ids(&mut owner).await.contains(&old));
}

#[tokio::test]
async fn a_job_of_an_unknown_kind_waits_for_a_version_that_knows_it() {
    let app = CoreApp::start().await;
    let mut owner = app.owner().await;
    task_done(&app).await;
    sqlx::query("insert into jobs (id, organization_id, kind) values (gen_random_uuid(), 1, 'of_no_handler')")
        .execute(&mut owner)
        .await
        .unwrap();
    due_now(&mut owner).await;
    task_done(&app).await;
    let untouched = "select count(*) from jobs where kind = 'of_no_handler' and state = 'queued' and attempts = 0";
    assert_eq!(app.count(untouched).await, 1);
}
