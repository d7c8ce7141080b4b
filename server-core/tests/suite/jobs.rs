//! The runner of background jobs: each due job is done once, whichever process is killed meanwhile, and no
//! organization's jobs delay those of another organization or kind.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use test_support::{CoreApp, DailyApi, Organization, in_days, until};

/// Housekeeping task of the runner itself, which deletes rows of jobs that ended long ago.
const EXPIRE: &str = "jobs_expire";

/// Half of the width of the lane of `video_room_follow`.
const HALF: i64 = 4;

/// Inserts a job that ended some days ago.
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

/// Returns (state, attempts, seconds until it is due) of the housekeeping task's row.
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

/// Waits until housekeeping has run and is scheduled again; returns the seconds until it is due.
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
    // The state in which a process leaves the row if it is killed during the run.
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

/// Inserts video appointments at these times, whose rooms no job has created yet.
async fn by_video(app: &CoreApp, organization: &Organization, times: impl IntoIterator<Item = DateTime<Utc>>) {
    let staff = app.actor(&organization.staff);
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    for time in times {
        app.appointment_create(&staff, organization.specialist_id, patient, time).await;
    }
    sqlx::query("update appointments set modality = 'video' where organization_id = $1")
        .bind(organization.id)
        .execute(&mut app.owner().await)
        .await
        .unwrap();
}

/// Enqueues a job for each of the organization's rooms.
async fn rooms_wanted(app: &CoreApp, organization: &Organization) {
    sqlx::query(
        "insert into jobs (id, organization_id, kind, payload)
         select gen_random_uuid(), organization_id, 'video_room_follow', jsonb_build_object('appointment_id', id)
         from appointments where organization_id = $1",
    )
    .bind(organization.id)
    .execute(&mut app.owner().await)
    .await
    .unwrap();
}

/// Counts an organization's jobs of a kind in a state.
async fn jobs(app: &CoreApp, organization: &Organization, kind: &str, state: &str) -> i64 {
    sqlx::query_scalar("select count(*) from jobs where organization_id = $1 and kind = $2 and state = $3")
        .bind(organization.id)
        .bind(kind)
        .bind(state)
        .fetch_one(&mut app.owner().await)
        .await
        .unwrap()
}

#[tokio::test]
async fn an_organization_whose_jobs_hang_holds_half_of_a_lane_and_stops_nobody_else() {
    let daily = DailyApi::start().await;
    let builder = CoreApp::builder().env("DAILY_REST_DOMAIN", daily.url());
    let app = builder.env("DAILY_API_KEY", daily.api_key()).start().await;
    let (home, away) = (app.home(), app.away());
    let answered = in_days(2, 13);
    by_video(&app, home, (0..3 * HALF).map(|hours| in_days(2, 0) + TimeDelta::hours(hours))).await;
    by_video(&app, away, [answered]).await;
    // A room opens a quarter of an hour before its appointment.
    daily.answer_only(Some(&format!("\"nbf\":{}", (answered - TimeDelta::minutes(15)).timestamp())));

    let in_hand = async || {
        let in_hand = jobs(&app, home, "video_room_follow", "running").await;
        assert!(in_hand <= HALF, "{in_hand} of the clinic's jobs are in hand, more than half of the lane");
        in_hand
    };
    rooms_wanted(&app, home).await;
    until("it holds half of the lane", CoreApp::PATIENCE, || async { (in_hand().await == HALF).then_some(()) }).await;
    until("operators see it", CoreApp::PATIENCE, || async {
        let metric = app.server.metric("jobs_in_hand{kind=\"video_room_follow\"}").await;
        (metric.to_string() == HALF.to_string()).then_some(())
    })
    .await;

    rooms_wanted(&app, away).await;
    sqlx::query(
        "insert into jobs (id, organization_id, kind, payload)
         values (gen_random_uuid(), $1, 'waitlist_offer', jsonb_build_object('specialist_id', $2::bigint))",
    )
    .bind(home.id)
    .bind(home.specialist_id)
    .execute(&mut app.owner().await)
    .await
    .unwrap();
    until("the other clinic's job of this kind is done", CoreApp::PATIENCE, || async {
        in_hand().await;
        (jobs(&app, away, "video_room_follow", "succeeded").await == 1).then_some(())
    })
    .await;
    until("the clinic's own job of another kind is done", CoreApp::PATIENCE, || async {
        in_hand().await;
        (jobs(&app, home, "waitlist_offer", "succeeded").await == 1).then_some(())
    })
    .await;
    assert_eq!(jobs(&app, home, "video_room_follow", "succeeded").await, 0, "none of those that hang is done");
    assert_eq!(daily.rooms().len(), 1);
}

#[tokio::test]
async fn who_has_one_job_has_its_turn_before_the_second_job_of_who_has_many() {
    let app = CoreApp::start().await;
    let mut owner = app.owner().await;
    task_done(&app).await;
    // One clinic's jobs have been due for an hour when the other's is added.
    sqlx::query(
        "insert into jobs (id, organization_id, kind, payload, run_at)
         select gen_random_uuid(), $1, 'waitlist_offer', jsonb_build_object('specialist_id', 1000000 + n),
                now() - interval '1 hour'
         from generate_series(1, 200) as n
         union all
         select gen_random_uuid(), $2, 'waitlist_offer', jsonb_build_object('specialist_id', $3::bigint), now()",
    )
    .bind(app.home().id)
    .bind(app.away().id)
    .bind(app.away().specialist_id)
    .execute(&mut owner)
    .await
    .unwrap();
    until("the one job has its turn", CoreApp::PATIENCE, || async {
        (jobs(&app, app.away(), "waitlist_offer", "succeeded").await == 1).then_some(())
    })
    .await;
    let before: i64 = sqlx::query_scalar(
        "select count(*) from jobs where organization_id = $1 and kind = 'waitlist_offer'
           and started_at < (select started_at from jobs where organization_id = $2 and kind = 'waitlist_offer')",
    )
    .bind(app.home().id)
    .bind(app.away().id)
    .fetch_one(&mut owner)
    .await
    .unwrap();
    assert!(before <= 1, "{before} jobs of the other clinic were begun before it");
}

/// Returns the jobs that a claim takes, by kind and organization, in order.
async fn claim(owner: &mut PgConnection, lanes: &[(&str, i32, i64)], full: &[(&str, i64)]) -> Vec<(String, i64)> {
    let (full_kinds, full_organizations): (Vec<&str>, Vec<i64>) = full.iter().copied().unzip();
    sqlx::query_as("select kind, organization_id from jobs_claim($1, $2, $3, $4, $5, interval '1 minute')")
        .bind(lanes.iter().map(|lane| lane.0).collect::<Vec<_>>())
        .bind(lanes.iter().map(|lane| lane.1).collect::<Vec<_>>())
        .bind(lanes.iter().map(|lane| lane.2).collect::<Vec<_>>())
        .bind(full_kinds)
        .bind(full_organizations)
        .fetch_all(owner)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_claim_goes_round_the_organizations_and_passes_over_those_that_hold_enough() {
    let app = CoreApp::start().await;
    let mut owner = app.owner().await;
    // Jobs of kinds that no runner knows. Three clinics have two jobs each, a fourth has one that is not due.
    sqlx::query(
        "insert into jobs (id, organization_id, kind, run_at)
         select gen_random_uuid(), organization, kind, now() + case when organization = 9 then interval '1 hour' else '0' end
         from unnest(array[3, 5, 7, 9]) as organization, unnest(array['first', 'second']) as kind, generate_series(1, 2)
         where organization <> 9 or kind = 'first'",
    )
    .execute(&mut owner)
    .await
    .unwrap();
    let of = |kind: &str, organizations: &[i64]| -> Vec<(String, i64)> {
        organizations.iter().map(|organization| (kind.to_owned(), *organization)).collect()
    };
    assert_eq!(claim(&mut owner, &[("first", 2, 3)], &[]).await, of("first", &[5, 7]), "after the last turn");
    assert_eq!(claim(&mut owner, &[("first", 4, 7)], &[]).await, of("first", &[3, 5, 7]), "round, and one each");
    assert_eq!(claim(&mut owner, &[("first", 4, -1)], &[]).await, of("first", &[3]), "nothing twice");
    assert!(claim(&mut owner, &[("first", 4, -1)], &[]).await.is_empty(), "what is in hand is nobody else's");
    let lanes = [("second", 2, -1), ("first", 1, -1)];
    assert_eq!(claim(&mut owner, &lanes, &[("second", 3), ("first", 5)]).await, of("second", &[5, 7]));
    // Jobs whose lease has expired are due again.
    sqlx::query("update jobs set leased_until = now() where kind = 'first' and organization_id = 5")
        .execute(&mut owner)
        .await
        .unwrap();
    assert_eq!(claim(&mut owner, &[("first", 9, -1)], &[]).await, of("first", &[5]));
}
