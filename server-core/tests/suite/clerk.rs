//! `/webhooks/clerk`: signed messages take effect once, in any order. Messages are made and signed by Svix's own
//! library.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::FromRow;
use test_support::{Answer, Clerk, ClerkEvent, ClerkMessage, CoreApp, SessionClaims, until};
use uuid::Uuid;

pub(crate) const EMAIL: &str = "Ana.Pop@example.org";

pub(crate) fn clerk_id() -> String {
    format!("user_{}", Uuid::new_v4().simple())
}

pub(crate) fn event(kind: &str, id: &str, at: i64, name: &str, email: &str) -> ClerkEvent {
    ClerkEvent::new(kind, json!({ "id": id, "at": at, "first_name": name, "last_name": "Pop", "email": email }))
}

/// Signs a body that Clerk's library would not make.
pub(crate) fn signed(id: &str, body: &str) -> ClerkMessage {
    let at = chrono::Utc::now().timestamp();
    let question = json!({ "ask": "signature", "secret": Clerk::secret(), "id": id, "sent_at": at, "body": body });
    let signature = Clerk::ask_one(&question).unwrap().as_str().unwrap().to_owned();
    ClerkMessage { id: id.to_owned(), sent_at: at, signature, body: body.to_owned() }
}

async fn deliver(app: &CoreApp, message: &ClerkMessage) {
    let answer = Answer::to(message.to(&app.url())).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (204, ""), "{}", message.body);
}

pub(crate) async fn told(app: &CoreApp, event: ClerkEvent) {
    deliver(app, &Clerk::sign(&[event])[0]).await;
}

/// Stored user without its id and key.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub(crate) struct User {
    pub(crate) name: String,
    sealed: bool,
    email_index: Option<Vec<u8>>,
    pub(crate) at: Option<i64>,
    deleted: bool,
}

pub(crate) async fn user(app: &CoreApp, clerk_id: &str) -> Option<User> {
    sqlx::query_as(
        "select name, email_encrypted is not null and data_key_wrapped is not null as sealed, email_index,
                (extract(epoch from clerk_event_at) * 1000)::bigint as at, deleted_at is not null as deleted
         from users where clerk_id = $1",
    )
    .bind(clerk_id)
    .fetch_optional(&mut app.owner().await)
    .await
    .unwrap()
}

async fn audit(app: &CoreApp) -> Vec<(String, String, Vec<String>, String, i64)> {
    sqlx::query_as(
        "select entity_type, action, changed_fields, actor_kind, organization_id from audit_log
         where outcome = 'succeeded' and operation_id = 'clerk_webhook_receive' order by id",
    )
    .fetch_all(&mut app.owner().await)
    .await
    .unwrap()
}

async fn me(base: &str, token: &str) -> Answer {
    let http = reqwest::Client::builder().build().unwrap();
    Answer::to(http.request(Method::GET, format!("{base}/v1/me")).bearer_auth(token)).await
}

fn session(clerk_id: &str, sid: &str) -> String {
    Clerk::token(&SessionClaims::of(clerk_id).with("sid", json!(sid)).0)
}

#[tokio::test]
async fn a_user_of_clerks_is_a_user_here() {
    let app = CoreApp::start().await;
    let id = clerk_id();
    let token = session(&id, "sess_1");
    me(&app.url(), &token).await.refusal(401, "user_unknown");
    told(&app, event("user.created", &id, 1_000, "Ana", EMAIL)).await;
    assert_eq!(me(&app.url(), &token).await.json(200)["name"], "Ana Pop");
    told(&app, event("user.updated", &id, 2_000, "Anne", EMAIL)).await;
    assert_eq!(me(&app.url(), &token).await.json(200)["name"], "Anne Pop", "what was remembered is forgotten");
    told(&app, event("user.updated", &id, 3_000, "Anne", "anne@example.org")).await;
    // An unverified address is not stored.
    let unproved =
        json!({ "id": id, "at": 4_000, "first_name": "Anne", "last_name": "Pop", "email": EMAIL, "verified": false });
    told(&app, ClerkEvent::new("user.updated", unproved)).await;
    let row = user(&app, &id).await.unwrap();
    assert_eq!((row.name.as_str(), row.email_index, row.sealed), ("Anne Pop", None, false));

    let rows: Vec<_> = audit(&app)
        .await
        .into_iter()
        .map(|(entity, action, fields, actor, organization)| {
            assert_eq!((entity.as_str(), actor.as_str(), organization), ("user", "system", 0));
            (action, fields)
        })
        .collect();
    let row = |action: &str, fields: &[&str]| (action.to_owned(), fields.iter().map(|f| (*f).to_owned()).collect());
    assert_eq!(
        rows,
        [row("created", &[]), row("updated", &["name"]), row("updated", &["email"]), row("updated", &["email"])]
    );
    let (dump, log) = (String::from_utf8_lossy(&app.database.dump()).to_lowercase(), app.server.log().to_lowercase());
    for secret in [EMAIL, "anne@example.org", Clerk::secret()] {
        assert!(
            !dump.contains(&secret.to_lowercase()) && !log.contains(&secret.to_lowercase()),
            "{secret} can be read"
        );
    }
}

#[tokio::test]
async fn any_order_ends_in_the_same_state() {
    let app = CoreApp::start().await;
    // Two events have the same time; the order must make no difference for them either.
    let history = |id: &str, deleted: bool| {
        let mut events = vec![
            event("user.created", id, 1_000, "First", "first@example.org"),
            event("user.updated", id, 2_000, "Second", EMAIL),
            event("user.updated", id, 3_000, "Third", "third@example.org"),
            event("user.updated", id, 3_000, "Fourth", EMAIL),
        ];
        let tied = [format!("msg_1_{id}"), format!("msg_2_{id}")];
        for (event, name) in events[2..].iter_mut().zip(tied) {
            event.id = name;
        }
        if deleted {
            events[0] = event("user.deleted", id, 2_500, "", "");
        }
        events
    };
    let people: Vec<_> = [false, true]
        .into_iter()
        .flat_map(|deleted| permutations(4).into_iter().map(move |order| (clerk_id(), deleted, order)))
        .collect();
    let events: Vec<_> = people.iter().flat_map(|(id, deleted, _)| history(id, *deleted)).collect();
    let signed = Clerk::sign(&events);
    join_all(people.iter().zip(signed.chunks(4)).map(async |((_, _, order), messages)| {
        for index in order {
            deliver(&app, &messages[*index]).await;
        }
        // And once more, in reverse order.
        for index in order.iter().rev() {
            deliver(&app, &messages[*index]).await;
        }
    }))
    .await;
    let email = user(&app, &people[0].0).await.unwrap().email_index;
    for (id, deleted, order) in &people {
        let expected = if *deleted {
            User { name: String::new(), sealed: false, email_index: None, at: None, deleted: true }
        } else {
            User {
                name: "Fourth Pop".into(),
                sealed: true,
                email_index: email.clone(),
                at: Some(3_000),
                deleted: false,
            }
        };
        assert_eq!(user(&app, id).await, Some(expected), "{order:?}");
    }
    assert!(email.is_some());
    let rows = app.count("select count(*) from users where clerk_event_at is not null or deleted_at is not null").await;
    assert_eq!(usize::try_from(rows).unwrap(), people.len(), "a user is one row");
    assert_eq!(i64::try_from(audit(&app).await.len()).unwrap(), 4 * rows, "each message counts once");
}

fn permutations(of: usize) -> Vec<Vec<usize>> {
    if of == 0 {
        return vec![vec![]];
    }
    let shorter = permutations(of - 1);
    let insert = |order: &Vec<usize>, at| [&order[..at], &[of - 1], &order[at..]].concat();
    shorter.iter().flat_map(|order| (0..of).map(move |at| insert(order, at))).collect()
}

#[tokio::test]
async fn a_message_counts_once_however_often_it_comes() {
    let app = CoreApp::start().await;
    let second = app.second_core().await;
    let id = clerk_id();
    let message = Clerk::sign(&[event("user.created", &id, 1_000, "Ana", EMAIL)]).remove(0);
    let bases = [app.url(), second.url()];
    let deliveries = (0..20).map(|number| Answer::to(message.to(&bases[number % 2])));
    for answer in join_all(deliveries).await {
        assert_eq!(answer.status.as_u16(), 204, "{}", answer.body);
    }
    assert_eq!(app.count("select count(*) from clerk_events").await, 1);
    assert_eq!(app.count("select count(*) from audit_log").await, 1);
    assert!(user(&app, &id).await.unwrap().sealed);
    // The ids of messages survive a restart.
    told(&app, event("user.updated", &id, 2_000, "Anne", EMAIL)).await;
    let mut app = app;
    app.server.stop().await;
    app.server.start().await;
    deliver(&app, &message).await;
    assert_eq!(app.count("select count(*) from audit_log").await, 2);
    assert_eq!(user(&app, &id).await.unwrap().name, "Anne Pop");
}

#[tokio::test]
pub(crate) async fn users_of_many_messages_at_once_are_one_row_each() {
    let app = CoreApp::start().await;
    let id = clerk_id();
    let events: Vec<_> = (1..=20).map(|at| event("user.updated", &id, at, &format!("Name{at}"), EMAIL)).collect();
    let signed = Clerk::sign(&events);
    join_all(signed.iter().map(|message| deliver(&app, message))).await;
    let row = user(&app, &id).await.unwrap();
    assert_eq!((row.name.as_str(), row.at), ("Name20 Pop", Some(20)));
}

#[tokio::test]
async fn a_deletion_is_final_and_takes_the_memberships() {
    let app = CoreApp::start().await;
    let second = app.second_core().await;
    let specialist = app.specialist();
    let record = app.home().specialist_id;
    for base in [app.url(), second.url()] {
        assert_eq!(me(&base, specialist.token()).await.json(200)["specialist_id"], record);
    }
    let id = specialist.person().clerk_id.clone();
    told(&app, event("user.updated", &id, 1_000, "Ana", EMAIL)).await;
    told(&app, event("user.deleted", &id, 2_000, "", "")).await;
    me(&app.url(), specialist.token()).await.refusal(401, "user_unknown");
    until("the other process has heard", CoreApp::HEARD, || async {
        (me(&second.url(), specialist.token()).await.status.as_u16() == 401).then_some(())
    })
    .await;
    // The records stay; they have lost their login.
    assert_eq!(app.count("select count(*) from specialists where user_id is null").await, 1);
    assert_eq!(app.count("select count(*) from memberships where role = 'specialist'").await, 1);
    let rows: Vec<_> = audit(&app).await.into_iter().map(|row| (row.0, row.1, row.4)).collect();
    let row = |entity: &str, action: &str, organization| (entity.to_owned(), action.to_owned(), organization);
    assert_eq!(
        rows,
        [row("user", "updated", 0), row("user", "deleted", 0), row("membership", "deleted", app.home().id)]
    );
    told(&app, event("user.updated", &id, 9_000, "Ana", EMAIL)).await;
    let gone = User { name: String::new(), sealed: false, email_index: None, at: None, deleted: true };
    assert_eq!(user(&app, &id).await, Some(gone));
    me(&app.url(), specialist.token()).await.refusal(401, "user_unknown");
}

#[tokio::test]
async fn only_clerk_is_believed() {
    let app = CoreApp::start().await;
    let id = clerk_id();
    let fresh = || event("user.created", &id, 1_000, "Ana", EMAIL);
    let mut wrong: Vec<(&str, ClerkMessage)> = Vec::new();
    let other = Clerk::sign_with("whsec_plJ3nmyCDGBKInavdOK15jsl", &[fresh()]).remove(0);
    wrong.push(("another secret", other.clone()));
    let signed = Clerk::sign(&[fresh(), fresh(), fresh().sent_in(-302), fresh().sent_in(302)]);
    let good = &signed[0];
    wrong.push(("too old", signed[2].clone()));
    wrong.push(("from the future", signed[3].clone()));
    let altered = good.body.replace("Ana", "Eve");
    wrong.push(("another body", ClerkMessage { body: altered, ..good.clone() }));
    wrong.push(("the same body, printed anew", ClerkMessage { body: format!("{} ", good.body), ..good.clone() }));
    wrong.push(("another id", ClerkMessage { id: signed[1].id.clone(), ..good.clone() }));
    wrong.push(("another time", ClerkMessage { sent_at: good.sent_at + 1, ..good.clone() }));
    wrong.push(("no signature", ClerkMessage { signature: String::new(), ..good.clone() }));
    wrong.push(("another version", ClerkMessage { signature: good.signature.replace("v1,", "v1a,"), ..good.clone() }));
    wrong.push(("no id", ClerkMessage { id: String::new(), ..good.clone() }));
    for (what, message) in &wrong {
        let answer = Answer::to(message.to(&app.url())).await;
        assert_eq!(answer.status.as_u16(), 401, "{what}: {}", answer.body);
        answer.refusal(401, "invalid_signature");
    }
    let bare = reqwest::Client::builder().build().unwrap().post(format!("{}/webhooks/clerk", app.url()));
    Answer::to(bare.json(&json!({}))).await.refusal(401, "invalid_signature");
    assert_eq!(app.count("select count(*) from clerk_events").await, 0);
    assert_eq!(app.count("select count(*) from audit_log").await, 0);
    assert_eq!(user(&app, &id).await, None);

    // Clerk's library and Core accept the valid message, also with several signatures.
    let headers =
        json!({ "svix-id": good.id, "svix-timestamp": good.sent_at.to_string(), "svix-signature": good.signature });
    let question = json!({ "ask": "webhook_verify", "secret": Clerk::secret(), "headers": headers, "body": good.body });
    assert_eq!(Clerk::ask_one(&question), Ok("user.created".into()));
    let signature = format!("{} {}", other.signature, good.signature);
    deliver(&app, &ClerkMessage { signature, ..good.clone() }).await;
    assert!(user(&app, &id).await.is_some());
}

#[tokio::test]
async fn what_is_of_no_concern_is_acknowledged_and_what_cant_be_read_is_not() {
    let app = CoreApp::start().await;
    told(&app, ClerkEvent::new("role.deleted", json!({ "id": "role_1", "at": 1_000 }))).await;
    assert_eq!(app.count("select count(*) from clerk_events").await, 0);
    let faults: [(&str, u16, &str, &[&str]); 6] = [
        ("", 400, "malformed_json", &[]),
        ("{", 400, "malformed_json", &[]),
        ("[]", 422, "validation_failed", &[""]),
        (r#"{"type":"role.deleted"}"#, 422, "validation_failed", &["/data"]),
        (r#"{"type":7,"data":"x"}"#, 422, "validation_failed", &["/data", "/type"]),
        (r#"{"type":"user.created","data":{"secret":"x"}}"#, 422, "validation_failed", &[]),
    ];
    for (number, (body, status, code, pointers)) in faults.into_iter().enumerate() {
        let answer = Answer::to(signed(&format!("msg_{number}"), body).to(&app.url())).await;
        assert!(!answer.body.contains("secret"), "{}", answer.body);
        let refusal = answer.refusal(status, code);
        assert_eq!(refusal.fields().iter().map(|(pointer, _)| *pointer).collect::<Vec<_>>(), pointers, "{body}");
    }
    let http = reqwest::Client::builder().build().unwrap();
    let plain = http.post(format!("{}/webhooks/clerk", app.url())).header("content-type", "text/plain").body("{}");
    Answer::to(plain).await.refusal(415, "unsupported_media_type");
}

#[tokio::test]
async fn an_ended_session_is_refused_at_once_here_and_is_heard_of_elsewhere() {
    let app = CoreApp::start().await;
    let second = app.second_core().await;
    let id = app.home().staff.clerk_id.clone();
    for (number, kind) in ["session.ended", "session.removed", "session.revoked"].iter().enumerate() {
        let sid = format!("sess_{number}");
        let (token, other) = (session(&id, &sid), session(&id, "sess_other"));
        for base in [app.url(), second.url()] {
            me(&base, &token).await.json(200);
            me(&base, &other).await.json(200);
        }
        let about = |kind: &str| ClerkEvent::new(kind, json!({ "id": sid, "user": id, "at": 1_000 }));
        let [ended, created] = Clerk::sign(&[about(kind), about("session.created")]).try_into().unwrap();
        deliver(&app, &ended).await;
        me(&app.url(), &token).await.refusal(401, "session_ended");
        let ((), took) = until(format!("{kind} is heard of"), CoreApp::HEARD, || async {
            (me(&second.url(), &token).await.status.as_u16() == 401).then_some(())
        })
        .await;
        println!("{kind}: refused by the other process {took:?} after the answer");
        // A late event of its beginning does not revive the session, and no other session ended.
        deliver(&app, &created).await;
        for base in [app.url(), second.url()] {
            me(&base, &token).await.refusal(401, "session_ended");
            me(&base, &other).await.json(200);
        }
    }
    let rows: Vec<_> = audit(&app).await.into_iter().map(|row| (row.0, row.1, row.3, row.4)).collect();
    assert_eq!(rows.len(), 6);
    assert!(rows.iter().all(|row| (row.0.as_str(), row.2.as_str(), row.3) == ("session", "system", 0)), "{rows:?}");
}

#[tokio::test]
async fn a_session_that_ended_before_a_process_began_is_known_to_it() {
    let mut app = CoreApp::start().await;
    let id = app.home().staff.clerk_id.clone();
    let token = session(&id, "sess_before");
    told(&app, ClerkEvent::new("session.ended", json!({ "id": "sess_before", "user": id, "at": 1_000 }))).await;
    app.server.stop().await;
    app.server.start().await;
    me(&app.url(), &token).await.refusal(401, "session_ended");
    let kept = app.count("select count(*) from revoked_sessions where expires_at > now() + interval '23 hours'").await;
    assert_eq!(kept, 1, "for longer than any token lives");
}

#[tokio::test]
async fn what_makes_no_difference_any_more_is_removed() {
    let mut app = CoreApp::start().await;
    app.server.stop().await;
    let sql = "insert into revoked_sessions values ('sess_old', now(), now() - interval '1 second'),
                                                   ('sess_new', now(), now() + interval '1 hour');
               insert into clerk_events values ('msg_old', now() - interval '31 days'), ('msg_new', now())";
    sqlx::raw_sql(sql).execute(&mut app.owner().await).await.unwrap();
    // Housekeeping ran at the start and would be due in an hour; it is made due now.
    let due = "update jobs set run_at = now() where kind = 'sessions_expire'";
    sqlx::raw_sql(due).execute(&mut app.owner().await).await.unwrap();
    app.server.start().await;
    until("what is old is removed", CoreApp::PATIENCE, || async {
        let old = "select (select count(*) from revoked_sessions) + (select count(*) from clerk_events)";
        (app.count(old).await == 2).then_some(())
    })
    .await;
    let news = "select count(*) from clerk_events e, revoked_sessions s where e.id = 'msg_new' and s.sid = 'sess_new'";
    assert_eq!(app.count(news).await, 1);
}

#[test]
fn the_messages_are_as_clerks_types_describe_them() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../test-support/clerk");
    let checked = std::process::Command::new("node")
        .args(["node_modules/typescript/bin/tsc", "--project", "."])
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[tokio::test]
async fn session_tokens_of_clerks_own_library_are_believed_and_ours_by_it() {
    let app = CoreApp::start().await;
    let stack = test_support::Stack::get();
    let id = app.home().staff.clerk_id.clone();
    // Claims of a session token of version 2, with an active organization of Clerk.
    let claims = SessionClaims::of(&id)
        .with("v", json!(2))
        .with("sts", json!("active"))
        .with("fva", json!([7, -1]))
        .with("pla", json!("u:free"))
        .with("fea", json!("o:dashboard"))
        .with("o", json!({ "id": "org_1", "slg": "clinic", "rol": "admin", "per": "read", "fpm": "1" }))
        .0;
    let token = Clerk::token(&claims);
    assert_eq!(me(&app.url(), &token).await.json(200)["id"], app.home().staff.user_id);
    for token in [token.as_str(), app.staff().token()] {
        let verified = Clerk::ask_one(&json!({
            "ask": "token_verify", "token": token, "pem": test_support::Issuer::pem(), "authorized_party": stack.authorized_party,
        }));
        assert_eq!(verified.map(|claims| claims["sub"].clone()), Ok(Value::from(id.as_str())));
    }
    // Core refuses the tokens that Clerk's library refuses.
    let evil = SessionClaims::of(&id).with("azp", json!("https://evil.example")).0;
    let expired = SessionClaims::of(&id).with("exp", json!(chrono::Utc::now().timestamp() - 60)).0;
    for claims in [evil, expired] {
        let token = Clerk::token(&claims);
        let question = json!({
            "ask": "token_verify", "token": token, "pem": test_support::Issuer::pem(), "authorized_party": stack.authorized_party,
        });
        assert!(Clerk::ask_one(&question).is_err());
        assert_eq!(me(&app.url(), &token).await.status.as_u16(), 401);
    }
}
