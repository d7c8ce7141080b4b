//! Telemetry tokens are revoked when their claims become wrong: when the role, the membership, the session or the
//! account ends. Two processes of Telemetry refuse every token issued before the change, and none issued after it.

use std::sync::atomic::{AtomicBool, Ordering};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use restartix_sdk::core::types::{MemberRole, UpdateMember};
use serde_json::{Value, json};
use test_support::{
    Actor, Answer, Clerk, ClerkEvent, Clinic, CoreApp, Person, Role, Server, SessionClaims, TelemetryApp, granted,
    refused, until,
};

/// Core and two processes of Telemetry.
struct World {
    clinic: Clinic,
    second: Server,
}

impl World {
    async fn start() -> Self {
        let clinic = Clinic::start().await;
        let second = clinic.telemetry.second().await;
        Self { clinic, second }
    }

    fn app(&self) -> &CoreApp {
        &self.clinic.core
    }

    fn bases(&self) -> [String; 2] {
        [self.clinic.telemetry.url(), self.second.url()]
    }

    async fn works(&self, token: &str) {
        for base in self.bases() {
            granted(TelemetryApp::client_at(&base, token).consent_get().send().await, 200);
        }
    }

    /// Waits until both processes refuse the token. It would be valid for ten minutes, so the refusal comes from the
    /// revocation.
    async fn ends(&self, what: &str, token: &str) {
        for base in self.bases() {
            let ((), took) = until(format!("{what}: the token is refused"), CoreApp::HEARD, || async {
                is_refused(&base, token).await.then_some(())
            })
            .await;
            println!("{what}: refused after {took:?}");
        }
    }
}

async fn is_refused(base: &str, token: &str) -> bool {
    match TelemetryApp::client_at(base, token).consent_get().send().await {
        Ok(_) => false,
        refusal => {
            refused(refusal, 401, "token_revoked");
            true
        }
    }
}

async fn token(actor: &Actor) -> String {
    granted(actor.me_telemetry_token_create().send().await, 201).token
}

/// Decodes the claims of a token.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("a token has a payload");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("it is base64")).expect("it is JSON")
}

/// Waits until Telemetry accepts a new token and returns its claims. A token issued between the change and the
/// revocation is refused too; the clients of the SDKs then fetch the next.
async fn fresh(world: &World, actor: &Actor) -> Value {
    let (token, _) = until("a new token is good", CoreApp::HEARD, || async {
        let token = token(actor).await;
        let mut refused = false;
        for base in world.bases() {
            refused |= is_refused(&base, &token).await;
        }
        (!refused).then_some(token)
    })
    .await;
    claims(&token)
}

async fn role_set(app: &CoreApp, user: i64, role: MemberRole) {
    let body = UpdateMember { role };
    let asked = app.admin().member_update().organization_id(app.home().id).user_id(user).body(body).send().await;
    granted(asked, 200);
}

async fn told(app: &CoreApp, kind: &str, of: Value) {
    let answer = Answer::to(Clerk::sign(&[ClerkEvent::new(kind, of)])[0].to(&app.url())).await;
    assert_eq!(answer.status.as_u16(), 204, "{kind}: {}", answer.body);
}

/// Returns the person signed in with a session of this name.
fn signed_in(app: &CoreApp, person: &Person, sid: &str) -> Actor {
    app.actor(person).holding(&Clerk::token(&SessionClaims::of(&person.clerk_id).with("sid", json!(sid)).0))
}

#[tokio::test]
async fn a_token_ends_with_the_role_and_with_the_membership() {
    let world = World::start().await;
    let app = world.app();
    let person = app.member_add(Role::Staff).await;
    app.membership_add(&person, app.away().id, Role::Staff).await;
    let actor = app.actor(&person).in_organization(app.home().id);
    let (old, bystander) = (token(&actor).await, token(&app.staff()).await);
    let elsewhere = token(&actor.in_organization(app.away().id)).await;
    world.works(&old).await;

    role_set(app, person.user_id, MemberRole::Patient).await;
    world.ends("a changed role", &old).await;
    let new = fresh(&world, &actor).await;
    assert_eq!(new["role"], "patient");
    let then = token(&actor).await;
    world.works(&then).await;

    granted(app.admin().member_delete().organization_id(app.home().id).user_id(person.user_id).send().await, 204);
    world.ends("an ended membership", &then).await;
    refused(actor.me_telemetry_token_create().send().await, 404, "organization_not_found");
    // The tokens for another organization and of another person still work.
    world.works(&elsewhere).await;
    world.works(&bystander).await;
}

#[tokio::test]
async fn a_token_ends_with_the_session_and_with_the_account() {
    let world = World::start().await;
    let app = world.app();
    let person = app.member_add(Role::Staff).await;
    let actor = signed_in(app, &person, "sess_ended");
    let old = token(&actor).await;
    world.works(&old).await;
    told(app, "session.ended", json!({ "id": "sess_ended", "user": person.clerk_id, "at": 1_000 })).await;
    world.ends("an ended session", &old).await;
    refused(actor.me_telemetry_token_create().send().await, 401, "session_ended");

    // With a new session the person can go on.
    let actor = signed_in(app, &person, "sess_next");
    assert_eq!(fresh(&world, &actor).await["role"], "staff");
    let then = token(&actor).await;
    world.works(&then).await;
    told(app, "user.deleted", json!({ "id": person.clerk_id })).await;
    world.ends("a closed account", &then).await;
}

#[tokio::test]
async fn a_token_ends_with_an_erasure_with_the_patient_record_and_with_running_the_platform() {
    let world = World::start().await;
    let app = world.app();
    let person = app.member_add(Role::Patient).await;
    app.membership_add(&person, app.away().id, Role::Staff).await;
    let actor = app.actor(&person).in_organization(app.home().id);
    let mut owner = app.owner().await;
    let record = app.patient_create(&app.staff(), "Mara", "Lee").await;
    let link = "update patients set user_id = $2 where id = $1";
    sqlx::query(link).bind(record.id).bind(person.user_id).execute(&mut owner).await.unwrap();
    let old = token(&actor).await;
    assert_eq!(claims(&old)["patient_id"], record.id);
    sqlx::query("update patients set user_id = null where id = $1").bind(record.id).execute(&mut owner).await.unwrap();
    world.ends("a record that is another's", &old).await;
    assert_eq!(fresh(&world, &actor).await["patient_id"], Value::Null);

    let then = token(&actor).await;
    world.works(&then).await;
    granted(app.admin().gdpr_user_erase().user_id(person.user_id).send().await, 202);
    world.ends("an erasure", &then).await;

    let superadmin = app.superadmin().in_organization(app.home().id);
    let above = token(&superadmin).await;
    world.works(&above).await;
    sqlx::query("update users set superadmin = false where superadmin").execute(&mut owner).await.unwrap();
    world.ends("who ran the platform", &above).await;
}

/// No request makes the second process of Core wait for the notification: it reads the claims from the database.
#[tokio::test]
async fn no_process_issues_a_token_of_what_was_after_it_was_called_back() {
    let world = World::start().await;
    let app = world.app();
    let second = app.second_core().await;
    let person = app.member_add(Role::Staff).await;
    let actor = app.actor(&person).at(&second.url());
    let done = AtomicBool::new(false);
    let (mut given, ()) = tokio::join!(
        async {
            let mut given = Vec::new();
            while !done.load(Ordering::SeqCst) {
                given.push(token(&actor).await);
            }
            given
        },
        async {
            role_set(app, person.user_id, MemberRole::Patient).await;
            until("Telemetry was told", CoreApp::HEARD, || async {
                let sql = "select count(*) from jobs where kind = 'access_revoke' and state <> 'succeeded'";
                (app.count(sql).await == 0).then_some(())
            })
            .await;
            done.store(true, Ordering::SeqCst);
        }
    );
    given.retain(|token| claims(token)["role"] == "staff");
    println!("{} tokens of the role that was", given.len());
    for token in &given {
        world.ends("what was issued meanwhile", token).await;
    }
    assert_eq!(fresh(&world, &actor).await["role"], "patient");
}

#[tokio::test]
async fn telemetry_is_told_when_it_is_there_again_and_remembers() {
    let Clinic { core: app, mut telemetry } = Clinic::start().await;
    let person = app.member_add(Role::Staff).await;
    let actor = app.actor(&person);
    let old = token(&actor).await;
    telemetry.server.kill();
    // Several changes of the same person.
    for role in [MemberRole::Patient, MemberRole::Specialist, MemberRole::Admin, MemberRole::Patient] {
        role_set(&app, person.user_id, role).await;
    }
    telemetry.server.start().await;
    until("the token is refused", CoreApp::HEARD, || async { is_refused(&telemetry.url(), &old).await.then_some(()) })
        .await;
    until("nothing waits any more", CoreApp::HEARD, || async {
        let sql = "select count(*) from jobs where kind = 'access_revoke' and state <> 'succeeded'";
        (app.count(sql).await == 0).then_some(())
    })
    .await;
    let mut owner = telemetry.database.owner().await;
    let rows = sqlx::query_as::<_, (i64, Option<i64>)>("select user_id, organization_id from ops.access_revocations");
    assert_eq!(rows.fetch_all(&mut owner).await.unwrap(), [(person.user_id, Some(app.home().id))]);
    telemetry.server.kill();
    telemetry.server.start().await;
    assert!(is_refused(&telemetry.url(), &old).await, "after a restart as well");
}
