//! The account, which is above organizations: when it goes, what goes with it, and that it stays gone.

use serde_json::{Value, json};
use test_support::{Answer, Clerk, ClerkApi, ClerkEvent, CoreApp, Person, Role, granted, refused};
use uuid::Uuid;

use super::{
    clinic, count, execute, finished, outbox_empty,
    planting::{ELSEWHERE, Found, USER, plant},
};

/// What the person did above organizations.
const ABOVE: &str = "planted-agent-of-none";

async fn told(app: &CoreApp, kind: &str, of: Value) {
    let answer = Answer::to(Clerk::sign(&[ClerkEvent::new(kind, of)])[0].to(&app.url())).await;
    assert_eq!(answer.status.as_u16(), 204, "{kind}: {}", answer.body);
}

#[tokio::test]
async fn what_is_above_organizations_goes_with_the_account_and_not_before() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, telemetry, admin) = (&clinic.core, &clinic.telemetry, clinic.core.admin());
    let planted = plant(app, &clerk).await;
    outbox_empty(app).await;
    app.membership_add(&planted.person, app.away().id, Role::Staff).await;

    // A member of both clinics loses what the one has; account and login stay, and what is above both.
    let asked = granted(admin.gdpr_user_erase().user_id(USER).send().await, 202);
    let job = finished(&admin, asked.job_id).await;
    assert!(!job.account && clerk.has(&planted.person.clerk_id));
    let me = granted(app.actor(&planted.person).me_get().send().await, 200);
    assert_eq!(me.memberships.len(), 1);
    let left = planted.left_in_both(&clinic).await;
    let account = [ABOVE, "planted-login@example.org", "planted-user-name", &planted.person.clerk_id];
    assert!(account.iter().all(|value| left.contains_key(*value)), "{left:#?}");
    let others = left.values().flatten().filter(|place| {
        !place.starts_with("postgresql public.users.") && !place.ends_with("audit_personal.user_agent")
    });
    assert_eq!(others.collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!((app.search(ABOVE).await.len(), telemetry.search(ABOVE).await.len()), (1, 1));
    // There is nobody left to erase here, so it is the job that was.
    let again = granted(admin.gdpr_user_erase().user_id(USER).send().await, 202);
    assert_eq!(again.job_id, asked.job_id);
    // Nor is the person known here by its id any more.
    let body = restartix_sdk::core::types::ConnectUser {
        email: None,
        user_id: Some(USER),
        role: restartix_sdk::core::types::MemberRole::Staff,
    };
    let connect = admin.member_connect().organization_id(app.home().id).body(body).send().await;
    refused(connect, 404, "user_not_found");

    // The other clinic's was the last membership.
    let admin = app.other_admin();
    let asked = granted(admin.gdpr_user_erase().user_id(USER).send().await, 202);
    let job = finished(&admin, asked.job_id).await;
    assert!(job.account && !clerk.has(&planted.person.clerk_id));
    outbox_empty(app).await;
    assert_eq!(planted.left_in_both(&clinic).await, Found::new());
    assert_eq!((app.search(ELSEWHERE).await, telemetry.search(ELSEWHERE).await), (Vec::new(), Vec::new()));
    let asking = format!("select count(*) from jobs where organization_id = 0 and created_by = {USER}");
    assert_eq!(count(app, asking).await, 0);
}

#[tokio::test]
async fn a_clinic_takes_the_account_and_leaves_what_another_one_has() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, telemetry, admin) = (&clinic.core, &clinic.telemetry, clinic.core.admin());
    plant(app, &clerk).await;
    outbox_empty(app).await;
    let asked = granted(admin.gdpr_user_erase().user_id(USER).send().await, 202);
    assert!(finished(&admin, asked.job_id).await.account);
    assert_eq!((app.search(ABOVE).await, telemetry.search(ABOVE).await), (Vec::new(), Vec::new()));
    assert_eq!((app.search(ELSEWHERE).await.len(), telemetry.search(ELSEWHERE).await.len()), (1, 1));
    // It has a right to be asked for that, too, though the person never was a member there.
    let asked = granted(app.other_admin().gdpr_user_erase().user_id(USER).send().await, 202);
    finished(&app.other_admin(), asked.job_id).await;
    assert_eq!((app.search(ELSEWHERE).await, telemetry.search(ELSEWHERE).await), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn an_account_without_memberships_is_no_clinics_to_take() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, admin) = (&clinic.core, clinic.core.admin());
    let planted = plant(app, &clerk).await;
    granted(admin.member_delete().organization_id(app.home().id).user_id(USER).send().await, 204);
    // What it did here can be seen and erased here all the same, but not what it is called by now.
    let path = format!("/v1/gdpr/users/{USER}/export");
    let exported = Answer::to(admin.request(reqwest::Method::GET, &path)).await;
    assert!(exported.body.contains("planted-user-agent"), "{}", exported.body);
    assert!(!exported.body.contains("planted-login@example.org") && !exported.body.contains("planted-user-name"));
    let asked = granted(admin.gdpr_user_erase().user_id(USER).send().await, 202);
    assert!(!finished(&admin, asked.job_id).await.account);
    assert_eq!((app.search("planted-user-agent").await, app.search("203.0.113.77").await), (Vec::new(), Vec::new()));
    assert!(clerk.has(&planted.person.clerk_id));
    assert_eq!(granted(app.actor(&planted.person).me_get().send().await, 200).name, "planted-user-name");
}

#[tokio::test]
async fn who_left_the_identity_provider_is_erased_like_anybody() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let app = &clinic.core;
    let planted = plant(app, &clerk).await;
    told(app, "user.deleted", json!({ "id": planted.person.clerk_id, "at": 5_000 })).await;
    assert_eq!(app.search("planted-login@example.org").await, Vec::new(), "the account is closed");
    for value in ["planted-user-agent", ABOVE] {
        assert!(!app.search(value).await.is_empty(), "{value} was not the identity provider's to take");
    }
    // The clinic takes the account, which is no other's any more, and what it did above clinics with it; what
    // it did in the other clinic is for that one, or for who runs the platform.
    for (admin, agent) in [(app.admin(), "planted-user-agent"), (app.superadmin(), ELSEWHERE)] {
        let path = format!("/v1/gdpr/users/{USER}/export");
        let exported = Answer::to(admin.request(reqwest::Method::GET, &path)).await;
        assert!(exported.body.contains(agent), "{}", exported.body);
        let asked = granted(admin.gdpr_user_erase().user_id(USER).send().await, 202);
        assert!(finished(&admin, asked.job_id).await.account);
        assert_eq!(app.search(agent).await, Vec::new());
        let again = granted(admin.gdpr_user_erase().user_id(USER).send().await, 202);
        assert_eq!(again.job_id, asked.job_id, "there is nobody left to erase");
        Answer::to(admin.request(reqwest::Method::GET, &path)).await.refusal(404, "user_not_found");
        assert_eq!(app.search(ABOVE).await, Vec::new());
    }
    assert_eq!(app.search(&planted.person.clerk_id).await, Vec::new());
}

#[tokio::test]
async fn late_news_of_an_erased_person_bring_nothing_back() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, admin) = (&clinic.core, clinic.core.admin());
    let planted = plant(app, &clerk).await;
    execute(
        &mut app.owner().await,
        &format!("update organizations set clerk_id = 'org_1' where id = {}", app.home().id),
    )
    .await;
    let asked = granted(admin.gdpr_user_erase().user_id(USER).send().await, 202);
    finished(&admin, asked.job_id).await;
    let users = app.count("select count(*) from users").await;

    let id = planted.person.clerk_id.as_str();
    let sid = format!("sess_{}", Uuid::new_v4().simple());
    let profile = json!({ "id": id, "at": 9_000, "first_name": "Plantedfirst", "email": "planted-login@example.org" });
    let session = json!({ "id": sid, "user": id, "at": 9_000 });
    let invitation = json!({ "id": "orginv_1", "organization": "org_1", "user": id, "email": "planted-login@example.org",
                             "role": "org:staff", "at": 9_000 });
    for (kind, of) in [
        ("user.created", &profile),
        ("user.updated", &profile),
        ("session.created", &session),
        ("session.ended", &session),
        ("session.removed", &session),
        ("organizationInvitation.accepted", &invitation),
        ("user.deleted", &json!({ "id": id, "at": 9_001 })),
        ("user.updated", &profile),
    ] {
        told(app, kind, of.clone()).await;
        assert_eq!(app.count("select count(*) from users").await, users, "{kind} made a user");
    }
    outbox_empty(app).await;
    assert_eq!(planted.left_in_both(&clinic).await, Found::new());
    assert_eq!(count(app, format!("select count(*) from memberships where user_id = {USER}")).await, 0);
    let person = Person { user_id: USER, clerk_id: id.to_owned() };
    refused(app.actor(&person).me_get().send().await, 401, "user_unknown");
    // Somebody else of the same address is somebody else.
    let newcomer = format!("user_{}", Uuid::new_v4().simple());
    let of = json!({ "id": newcomer, "at": 9_002, "first_name": "New", "email": "planted-login@example.org" });
    told(app, "user.created", of).await;
    assert_eq!(app.count("select count(*) from users").await, users + 1);
}
