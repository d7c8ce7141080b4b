//! `Idempotency-Key`: a repeated POST changes nothing.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use test_support::{Actor, Answer, CoreApp, Server, eventually};
use tokio::task::JoinSet;
use uuid::Uuid;

const REPLAYED: &str = "idempotency-replayed";

fn key() -> String {
    Uuid::now_v7().to_string()
}

async fn specialty(actor: &Actor, key: &str, name: &str) -> Answer {
    let body = json!({ "name": name, "description": "of the lower extremities" });
    Answer::to(actor.request(Method::POST, "/v1/specialties").header("idempotency-key", key).json(&body)).await
}

async fn specialties(app: &CoreApp) -> i64 {
    app.count("select count(*) from specialties").await
}

#[tokio::test]
async fn the_same_request_again_gets_the_first_answer() {
    let app = CoreApp::start().await;
    let key = key();
    let first = specialty(&app.admin(), &key, "Knees").await;
    assert_eq!((first.status.as_u16(), first.header(REPLAYED)), (201, ""));
    let again = specialty(&app.admin(), &key, "Knees").await;
    assert_eq!((again.status.as_u16(), again.header(REPLAYED)), (201, "true"));
    assert_eq!((&again.body, again.header("content-type")), (&first.body, first.header("content-type")));
    assert_eq!(specialties(&app).await, 1);
    assert_eq!(app.count("select count(*) from audit_log where action = 'created'").await, 1);

    specialty(&app.admin(), &key, "Hips").await.refusal(422, "idempotency_key_reused");
    assert_eq!(specialties(&app).await, 1);
    let elsewhere = app.admin().request(Method::POST, "/v1/specialists").header("idempotency-key", &key);
    let body = json!({ "name": "Dr. Knee", "specialty_ids": [], "bookable": true });
    let elsewhere = Answer::to(elsewhere.json(&body)).await;
    assert_eq!(elsewhere.header(REPLAYED), "", "a key belongs to a route: {}", elsewhere.body);
}

#[tokio::test]
async fn what_comes_out_again_is_audited_and_for_whom_it_was_meant() {
    let app = CoreApp::start().await;
    let (staff, key) = (app.staff(), key());
    let patient = || async {
        let body = json!({ "first_name": "Ann", "last_name": "Lee" });
        Answer::to(staff.request(Method::POST, "/v1/patients").header("idempotency-key", &key).json(&body)).await
    };
    let first = patient().await;
    assert_eq!(first.status.as_u16(), 201, "{}", first.body);
    assert_eq!(patient().await.body, first.body);
    let replays = "select count(*) from audit_log where action = 'replayed' and operation_id = 'patient_create'";
    assert_eq!(app.count(replays).await, 1);

    // A caller who has lost the role is not shown the stored answer.
    let user = app.home().staff.user_id;
    let demote = format!("update memberships set role = 'patient' where user_id = {user}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(demote)).execute(&mut app.owner().await).await.unwrap();
    eventually("the demotion counts", CoreApp::PATIENCE, || async { patient().await.status.as_u16() != 201 }).await;
    patient().await.refusal(422, "idempotency_key_reused");
}

#[tokio::test]
async fn every_operation_that_shows_a_secret_keeps_none() {
    let app = CoreApp::start().await;
    let document: serde_json::Value = serde_json::from_slice(&app.server.run("openapi")).unwrap();
    let schemas = &document["components"]["schemas"];
    let mut shown = Vec::new();
    for path in document["paths"].as_object().unwrap().values() {
        let post = &path["post"];
        let answers = post["responses"].as_object().into_iter().flatten().filter(|(status, _)| status.starts_with('2'));
        for (_, answer) in answers {
            let name = answer["content"]["application/json"]["schema"]["$ref"].as_str().unwrap_or_default();
            let fields = &schemas[name.rsplit('/').next().unwrap_or_default()]["properties"];
            if ["secret", "token"].iter().any(|field| fields.get(field).is_some()) {
                shown.push(post["operationId"].as_str().unwrap().to_owned());
            }
        }
    }
    shown.sort();
    let api_keys = format!("/v1/organizations/{}/api-keys", app.home().id);
    let wanted = json!({ "name": "Integration", "scopes": ["patients:read"] });
    let made = Answer::to(app.admin().request(Method::POST, &api_keys).json(&wanted)).await.json(201);
    let (rotate, record) = (format!("{api_keys}/{}/rotate", made["api_key"]["id"]), app.patient_record().await.id);
    let requests = [
        ("api_key_create", api_keys, Some(wanted)),
        ("api_key_rotate", rotate, None),
        ("calendar_feed_create", "/v1/calendar/feeds".to_owned(), None),
        ("patient_impersonate", format!("/v1/patients/{record}/impersonate"), Some(json!({ "reason": "Called" }))),
    ];
    for (operation, path, body) in &requests {
        let key = key();
        let send = || {
            let request = app.admin().request(Method::POST, path).header("idempotency-key", &key);
            Answer::to(if let Some(body) = body { request.json(body) } else { request })
        };
        let first = send().await;
        assert_eq!(first.status.as_u16(), 201, "{operation}: {}", first.body);
        let again = send().await;
        assert!(again.body.contains("secret_already_shown"), "{operation}: {}", again.body);
    }
    // Video tokens are tested in `video.rs`. A Telemetry token is made anew by each call, which writes nothing that
    // could be repeated.
    let tried = ["me_telemetry_token_create", "video_token_create"];
    let mut tried: Vec<_> = requests.iter().map(|(operation, ..)| *operation).chain(tried).collect();
    tried.sort_unstable();
    assert_eq!(shown, tried, "every operation that shows a secret is tried here");
}

#[tokio::test]
async fn twenty_at_once_do_it_once_and_all_get_the_same_answer() {
    let app = CoreApp::start().await;
    let key = key();
    let mut racers = JoinSet::new();
    for _ in 0..20 {
        let (admin, key) = (app.admin(), key.clone());
        racers.spawn(async move { specialty(&admin, &key, "Knees").await });
    }
    let answers = racers.join_all().await;
    for answer in &answers {
        assert_eq!((answer.status.as_u16(), &answer.body), (201, &answers[0].body));
    }
    assert_eq!(answers.iter().filter(|answer| answer.header(REPLAYED).is_empty()).count(), 1);
    assert_eq!(specialties(&app).await, 1);
}

#[tokio::test]
async fn a_request_that_failed_leaves_its_key_free() {
    let app = CoreApp::start().await;
    specialty(&app.admin(), &key(), "Knees").await.json(201);
    let key = key();
    specialty(&app.admin(), &key, "Knees").await.refusal(409, "specialty_name_taken");
    assert_eq!(app.count("select count(*) from idempotency_keys").await, 1);
    let other = specialty(&app.admin(), &key, "Hips").await;
    assert_eq!((other.status.as_u16(), other.header(REPLAYED)), (201, ""));
}

#[tokio::test]
async fn another_caller_or_clinic_with_the_same_key_is_another_request() {
    let app = CoreApp::start().await;
    let key = key();
    let first = specialty(&app.admin(), &key, "Knees").await.json(201);
    let colleague = app.member_add(test_support::Role::Admin).await;
    specialty(&app.actor(&colleague), &key, "Knees").await.refusal(409, "specialty_name_taken");
    let away = specialty(&app.other_admin(), &key, "Knees").await;
    assert_eq!(away.header(REPLAYED), "");
    assert_ne!(away.json(201)["id"], first["id"]);
}

#[tokio::test]
async fn nothing_of_an_answer_is_readable_in_the_database() {
    let app = CoreApp::start().await;
    let key = key();
    specialty(&app.admin(), &key, "Knees").await.json(201);
    let row: String =
        sqlx::query_scalar("select encode(answer, 'escape') || to_jsonb(k)::text from idempotency_keys k")
            .fetch_one(&mut app.owner().await)
            .await
            .unwrap();
    for secret in ["Knees", "extremities", key.as_str()] {
        assert!(!row.contains(secret) && !row.contains(&hex::encode(secret)), "{secret} is readable: {row}");
    }
}

#[tokio::test]
async fn a_secret_is_shown_once() {
    let app = CoreApp::start().await;
    let (key, path) = (key(), format!("/v1/organizations/{}/api-keys", app.home().id));
    let create = || {
        let body = json!({ "name": "Integration", "scopes": ["patients:read"] });
        Answer::to(app.admin().request(Method::POST, &path).header("idempotency-key", &key).json(&body))
    };
    let first = create().await.json(201);
    let refusal = create().await.refusal(409, "secret_already_shown");
    assert_eq!(refusal.details["id"], first["api_key"]["id"], "what was made is named, and can be rotated");
    assert_eq!(app.count("select count(*) from api_keys").await, 1);
}

#[tokio::test]
async fn who_waits_too_long_for_another_is_told_so() {
    let app = CoreApp::start().await;
    let key = key();
    // Another transaction has inserted the name and stays open, so the first request waits while it holds its key.
    let mut blocker = app.owner().await;
    let hold = format!("begin; insert into specialties (organization_id, name) values ({}, 'Knees')", app.home().id);
    sqlx::raw_sql(sqlx::AssertSqlSafe(hold)).execute(&mut blocker).await.unwrap();
    let (admin, first_key) = (app.admin(), key.clone());
    let first = tokio::spawn(async move { specialty(&admin, &first_key, "Knees").await });
    eventually("the first request holds its key", CoreApp::PATIENCE, || async {
        app.count(
            "select count(*) from pg_locks l join pg_stat_activity a using (pid)
             where a.datname = current_database() and not l.granted",
        )
        .await
            > 0
    })
    .await;
    let began = std::time::Instant::now();
    let refusal = specialty(&app.admin(), &key, "Knees").await.refusal(409, "idempotency_in_progress");
    assert!(began.elapsed() >= Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(refusal.header("retry-after"), "1");
    sqlx::raw_sql("rollback").execute(&mut blocker).await.unwrap();
    first.await.unwrap().json(201);
    assert_eq!(specialty(&app.admin(), &key, "Knees").await.header(REPLAYED), "true");
}

#[tokio::test]
async fn a_process_that_dies_leaves_the_key_free_or_the_answer_stored() {
    let mut app = CoreApp::start().await;
    let mut second: Server = app.second_core().await;
    let keys: Vec<String> = (0..40).map(|_| key()).collect();
    let mut racers = JoinSet::new();
    for (number, key) in keys.iter().cloned().enumerate() {
        let request = app.admin().at(&second.url()).request(Method::POST, "/v1/specialties");
        let request = request.header("idempotency-key", key).json(&json!({ "name": format!("Part {number}") }));
        racers.spawn(async move { request.send().await.is_ok() });
    }
    racers.join_next().await;
    second.kill();
    racers.join_all().await;
    // PostgreSQL may take a moment to end the transactions of the killed process. Each key's repetition waits for it,
    // so both counts are final afterwards.
    for (number, key) in keys.iter().enumerate() {
        let request = app.admin().request(Method::POST, "/v1/specialties").header("idempotency-key", key);
        Answer::to(request.json(&json!({ "name": format!("Part {number}") }))).await.json(201);
    }
    assert_eq!(specialties(&app).await, 40);
    assert_eq!(app.count("select count(*) from idempotency_keys where answer is not null").await, 40);
    app.server.stop().await;
}

#[tokio::test]
async fn an_expired_key_is_forgotten() {
    let app = CoreApp::start().await;
    let key = key();
    specialty(&app.admin(), &key, "Knees").await.json(201);
    let expire = "update idempotency_keys set expires_at = now() - interval '1 second'";
    sqlx::raw_sql(expire).execute(&mut app.owner().await).await.unwrap();
    let again = specialty(&app.admin(), &key, "Hips").await;
    assert_eq!((again.status.as_u16(), again.header(REPLAYED)), (201, ""));
    assert_eq!(app.count("select count(*) from idempotency_keys").await, 1);
}

#[tokio::test]
async fn a_key_is_short_and_printable() {
    let app = CoreApp::start().await;
    for wrong in ["with blank", &"a".repeat(256)] {
        specialty(&app.admin(), wrong, "Knees").await.refusal(400, "invalid_parameter");
    }
    assert_eq!(specialties(&app).await, 0);
}
