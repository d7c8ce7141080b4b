//! Dates that events of Clerk can't have.

use serde_json::json;
use test_support::{Answer, ClerkEvent, CoreApp};

use crate::clerk::{EMAIL, clerk_id, event, signed, told, user};

#[tokio::test]
async fn an_event_of_an_impossible_date_is_refused_and_freezes_nothing() {
    let app = CoreApp::start().await;
    let (id, stranger) = (clerk_id(), clerk_id());
    told(&app, event("user.created", &id, 1_000, "Ana", EMAIL)).await;
    let known = user(&app, &id).await;
    let now = chrono::Utc::now().timestamp_millis();
    let ahead = (now + 6 * 60_000).to_string();
    // Beyond 2^53 the specification has no number.
    let dates = ["-1", "-9007199254740991", &ahead, "253402300799000", "9007199254740991"];
    let mut refused = 0;
    for date in dates {
        let of = |id: &str| format!(r#"{{"id":"{id}","first_name":"Mallory","updated_at":{date}}}"#);
        for body in [
            format!(r#"{{"type":"user.updated","timestamp":{date},"data":{}}}"#, of(&id)),
            format!(r#"{{"type":"user.updated","timestamp":2000,"data":{}}}"#, of(&id)),
            format!(r#"{{"type":"user.updated","data":{}}}"#, of(&id)),
            format!(r#"{{"type":"user.created","timestamp":{date},"data":{}}}"#, of(&stranger)),
        ] {
            refused += 1;
            // Acknowledged, so that it is not sent again.
            let answer = Answer::to(signed(&format!("msg_refused_{refused}"), &body).to(&app.url())).await;
            assert_eq!((answer.status.as_u16(), answer.body.as_str()), (204, ""), "{body}");
            let request_id = answer.header("x-request-id").to_owned();
            let log = app.server.log();
            let line = log.lines().find(|line| line.contains("its date can't be right") && line.contains(&request_id));
            let line = line.unwrap_or_else(|| panic!("{body} is not in the log with {request_id}"));
            assert!(line.contains(&format!("msg_refused_{refused}")) && !line.contains(&id), "{line}");
        }
    }
    assert!(!app.server.log().contains("Mallory"));
    assert_eq!((user(&app, &id).await, user(&app, &stranger).await), (known, None));
    assert_eq!(app.count("select count(*) from clerk_events").await, 1);
    // The next event of the user takes effect, and so does one from a clock that is slightly ahead.
    told(&app, event("user.updated", &id, 2_000, "Anne", EMAIL)).await;
    assert_eq!(user(&app, &id).await.unwrap().name, "Anne Pop");
    told(&app, event("user.updated", &id, now + 4 * 60_000, "Anna", EMAIL)).await;
    assert_eq!(user(&app, &id).await.unwrap().name, "Anna Pop");
}

#[tokio::test]
async fn an_impossible_date_keeps_no_access_alive() {
    let app = CoreApp::start().await;
    let id = clerk_id();
    told(&app, event("user.created", &id, 1_000, "Ana", EMAIL)).await;
    let far = "253402300799000";
    let session = format!(r#"{{"id":"sess_of_no_time","user_id":"{id}","updated_at":{far}}}"#);
    for body in [
        format!(r#"{{"type":"session.ended","timestamp":{far},"data":{session}}}"#),
        format!(r#"{{"type":"user.deleted","timestamp":{far},"data":{{"id":"{id}"}}}}"#),
    ] {
        let answer = Answer::to(signed(&format!("msg_{}", body.len()), &body).to(&app.url())).await;
        assert_eq!(answer.status.as_u16(), 204, "{body}");
    }
    let ended = "select count(*) from revoked_sessions where revoked_at <= now()";
    assert_eq!(app.count(ended).await, 1);
    assert_eq!(app.count("select count(*) from users where deleted_at is not null").await, 1);
}

#[tokio::test]
async fn a_profile_that_was_frozen_by_a_date_thaws() {
    let app = CoreApp::start().await;
    let (id, other) = (clerk_id(), clerk_id());
    for id in [&id, &other] {
        told(&app, event("user.created", id, 1_000, "Ana", EMAIL)).await;
    }
    told(&app, ClerkEvent::new("session.ended", json!({ "id": "sess_1", "user": id, "at": 1_000 }))).await;
    let freeze = "update users set clerk_event_at = '9999-12-31', clerk_event_id = 'msg_frozen'
                  where clerk_event_at is not null;
                  update revoked_sessions set revoked_at = '9999-12-31', expires_at = '9999-12-31'";
    sqlx::raw_sql(freeze).execute(&mut app.owner().await).await.unwrap();
    // The next event takes effect, even if an older version wrote the row after the migration.
    told(&app, event("user.updated", &id, 2_000, "Anne", EMAIL)).await;
    let row = user(&app, &id).await.unwrap();
    assert_eq!((row.name.as_str(), row.at), ("Anne Pop", Some(2_000)));
    told(&app, event("user.updated", &id, 1_500, "Late", EMAIL)).await;
    assert_eq!(user(&app, &id).await.unwrap().name, "Anne Pop", "older events count no more");
    // The migration clears such dates.
    let migration = include_str!("../../../migrations/core/0041_event_dates.sql");
    sqlx::raw_sql(migration).execute(&mut app.owner().await).await.unwrap();
    assert_eq!(user(&app, &id).await.unwrap().at, Some(2_000));
    assert_eq!(user(&app, &other).await.unwrap().at, None);
    let kept = "select count(*) from revoked_sessions
                where revoked_at <= now() and expires_at between now() + interval '23 hours' and now() + interval '24 hours'";
    assert_eq!(app.count(kept).await, 1);
    told(&app, event("user.updated", &other, 2_000, "Anne", EMAIL)).await;
    assert_eq!(user(&app, &other).await.unwrap().name, "Anne Pop");
}
