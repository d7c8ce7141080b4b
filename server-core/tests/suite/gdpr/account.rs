//! Erasure of accounts, which belong to no organization, and late events of erased users.

use serde_json::{Value, json};
use test_support::{Answer, Clerk, ClerkApi, ClerkEvent, CoreApp, Person, Role, granted, refused};
use uuid::Uuid;

use super::{
    clinic, count, execute, finished, outbox_empty,
    planting::{ELSEWHERE, Found, USER, plant},
};

/// User agent of the person's actions outside organizations.
const ABOVE: &str = "planted-agent-of-none";

async fn told(app: &CoreApp, kind: &str, of: Value) {
    let answer = Answer::to(Clerk::sign(&[ClerkEvent::new(kind, of)])[0].to(&app.url())).await;
    assert_eq!(answer.status.as_u16(), 204, "{kind}: {}", answer.body);
}

#[tokio::test]
async fn a_clinic_ends_what_it_holds_and_never_the_account() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, telemetry, admin) = (&clinic.core, &clinic.telemetry, clinic.core.admin());
    let planted = plant(app, &clerk).await;
    outbox_empty(app).await;

    // Although it was the last membership, the account, the login and data outside organizations stay.
    let asked = granted(admin.gdpr_user_erase().user_id(USER).send().await, 202);
    let job = finished(&admin, asked.job_id).await;
    assert!(!job.account && clerk.has(&planted.person.clerk_id));
    let me = granted(app.actor(&planted.person).me_get().send().await, 200);
    assert_eq!((me.name.as_str(), me.memberships.len()), ("planted-user-name", 0));
    let left = planted.left_in_both(&clinic).await;
    let account = [ABOVE, "planted-login@example.org", "planted-user-name", &planted.person.clerk_id];
    assert!(account.iter().all(|value| left.contains_key(*value)), "{left:#?}");
    let others = left.values().flatten().filter(|place| {
        !place.starts_with("postgresql public.users.") && !place.ends_with("audit_personal.user_agent")
    });
    assert_eq!(others.collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!((app.search(ABOVE).await.len(), telemetry.search(ABOVE).await.len()), (1, 1));
    // No data is left here, so a repeated request returns the finished job.
    let again = granted(admin.gdpr_user_erase().user_id(USER).send().await, 202);
    assert_eq!(again.job_id, asked.job_id);
    // The organization does not know the person's id any more.
    let body = restartix_sdk::core::types::ConnectUser {
        email: None,
        user_id: Some(USER),
        role: restartix_sdk::core::types::MemberRole::Staff,
    };
    let connect = admin.member_connect().organization_id(app.home().id).body(body).send().await;
    refused(connect, 404, "user_not_found");
    // The other organization can erase its part, although the person was never a member there.
    let elsewhere = app.other_admin();
    let asked = granted(elsewhere.gdpr_user_anonymize().user_id(USER).send().await, 202);
    assert!(!finished(&elsewhere, asked.job_id).await.account);
    assert_eq!((app.search(ELSEWHERE).await, telemetry.search(ELSEWHERE).await), (Vec::new(), Vec::new()));
    assert!(clerk.has(&planted.person.clerk_id), "an account is no clinic's to take");
}

#[tokio::test]
async fn whoever_runs_the_platform_ends_all_of_it() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, superadmin) = (&clinic.core, clinic.core.superadmin());
    let planted = plant(app, &clerk).await;
    app.membership_add(&planted.person, app.away().id, Role::Admin).await;
    outbox_empty(app).await;
    // A request that names an organization covers only that one.
    let within = superadmin.in_organization(app.away().id);
    let dry = granted(within.gdpr_user_erase().user_id(USER).dry_run(true).send().await, 202);
    assert!(!finished(&within, dry.job_id).await.account);
    // A clinic must not be left without an administrator.
    let other = format!("update memberships set role = 'staff' where user_id = {}", app.away().admin.user_id);
    execute(&mut app.owner().await, &other).await;
    refused(superadmin.gdpr_user_erase().user_id(USER).send().await, 409, "last_admin");
    refused(app.actor(&planted.person).me_delete().send().await, 409, "last_admin");
    assert_eq!(count(app, format!("select count(*) from memberships where user_id = {USER}")).await, 2);
    execute(&mut app.owner().await, &other.replace("'staff'", "'admin'")).await;

    let asked = granted(superadmin.gdpr_user_erase().user_id(USER).send().await, 202);
    let job = finished(&superadmin, asked.job_id).await;
    assert!(job.account && !clerk.has(&planted.person.clerk_id));
    outbox_empty(app).await;
    assert_eq!(planted.left_in_both(&clinic).await, Found::new());
    assert_eq!(count(app, format!("select count(*) from memberships where user_id = {USER}")).await, 0);
    let asking = format!("select count(*) from jobs where organization_id = 0 and created_by = {USER}");
    assert_eq!(count(app, asking).await, 0);
}

#[tokio::test]
async fn a_person_ends_its_own_account_and_clinics_keep_theirs() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, telemetry) = (&clinic.core, &clinic.telemetry);
    let planted = plant(app, &clerk).await;
    app.membership_add(&planted.person, app.away().id, Role::Staff).await;
    outbox_empty(app).await;
    let me = app.actor(&planted.person);
    let path = "/v1/me";
    let asked = Answer::to(me.request(reqwest::Method::DELETE, path)).await.json(202);
    // All memberships have ended. A repeated request returns the same job, or the account is closed already.
    let again = Answer::to(me.request(reqwest::Method::DELETE, path)).await;
    match again.status.as_u16() {
        202 => assert_eq!(again.json(202)["job_id"], asked["job_id"]),
        _ => drop(again.refusal(401, "user_unknown")),
    }
    assert_eq!(count(app, format!("select count(*) from memberships where user_id = {USER}")).await, 0);
    let id: Uuid = serde_json::from_value(asked["job_id"].clone()).unwrap();
    let superadmin = app.superadmin();
    let job = finished(&superadmin, id).await;
    assert!(job.account && job.organization_id.is_none());
    refused(me.me_get().send().await, 401, "user_unknown");
    assert!(!clerk.has(&planted.person.clerk_id));
    outbox_empty(app).await;
    for value in [ABOVE, "planted-login@example.org", "planted-user-name", planted.person.clerk_id.as_str()] {
        assert_eq!((app.search(value).await, telemetry.search(value).await), (Vec::new(), Vec::new()), "{value}");
    }
    // The clinic keeps its data: a record without a login, and its audit rows.
    let record = granted(app.admin().patient_get().patient_id(planted.patient.id).send().await, 200);
    assert_eq!((record.first_name.as_str(), record.user_id), ("Plantedfirst", None));
    assert!(!app.search("planted-user-agent").await.is_empty());
    assert_eq!(app.count("select count(*) from calendar_feeds").await, 0, "no old link lives on");
    // The end of each membership is audited in its organization.
    let ended = format!(
        "select count(*) from audit_log where action = 'deleted' and entity_type = 'membership' and entity_id = '{USER}'
                  and operation_id = 'me_delete' and organization_id in ({}, {})",
        app.home().id,
        app.away().id
    );
    assert_eq!(count(app, ended).await, 2);
    // The clinic can still erase its part.
    let asked = granted(app.admin().gdpr_patient_erase().patient_id(planted.patient.id).send().await, 202);
    finished(&app.admin(), asked.job_id).await;
    assert_eq!(app.search("Plantedfirst").await, Vec::new());
}

#[tokio::test]
async fn two_administrators_who_leave_at_once_leave_one() {
    let app = CoreApp::start().await;
    let second = app.second_core().await;
    let (one, other) = (app.home().admin.clone(), app.member_add(Role::Admin).await);
    let (here, there) = (app.actor(&one), app.actor(&other).at(&second.url()));
    let (first, then) = tokio::join!(here.me_delete().send(), there.me_delete().send());
    assert!(first.is_ok() != then.is_ok(), "one of two may go: {first:?}, {then:?}");
    let left = "select count(*) from memberships where role = 'admin' and organization_id = (select min(id) from organizations)";
    assert_eq!(app.count(left).await, 1);
}

#[tokio::test]
async fn an_account_without_memberships_is_no_clinics_to_take() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, admin) = (&clinic.core, clinic.core.admin());
    let planted = plant(app, &clerk).await;
    granted(admin.member_delete().organization_id(app.home().id).user_id(USER).send().await, 204);
    // Its actions here can still be exported and erased, but its current name and address are not shown.
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
    assert!(!app.search("planted-user-agent").await.is_empty(), "what a clinic holds is not the provider's to take");
    // The account's data outside clinics is erased automatically. Each clinic has to erase its own data.
    test_support::eventually("the account is gone", 3 * CoreApp::PATIENCE, || async {
        app.search(ABOVE).await.is_empty() && app.search(&planted.person.clerk_id).await.is_empty()
    })
    .await;
    for (admin, agent) in [(app.admin(), "planted-user-agent"), (app.other_admin(), ELSEWHERE)] {
        let path = format!("/v1/gdpr/users/{USER}/export");
        let exported = Answer::to(admin.request(reqwest::Method::GET, &path)).await;
        assert!(exported.body.contains(agent), "{}", exported.body);
        let asked = granted(admin.gdpr_user_erase().user_id(USER).send().await, 202);
        finished(&admin, asked.job_id).await;
        assert_eq!(app.search(agent).await, Vec::new());
        let again = granted(admin.gdpr_user_erase().user_id(USER).send().await, 202);
        assert_eq!(again.job_id, asked.job_id, "there is nobody left to erase");
        Answer::to(admin.request(reqwest::Method::GET, &path)).await.refusal(404, "user_not_found");
    }
    assert_eq!(app.search(&planted.person.clerk_id).await, Vec::new());
}

#[tokio::test]
async fn late_news_of_an_erased_person_bring_nothing_back() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, admin) = (&clinic.core, clinic.core.superadmin());
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
    // Another user with the same address is a new user.
    let newcomer = format!("user_{}", Uuid::new_v4().simple());
    let of = json!({ "id": newcomer, "at": 9_002, "first_name": "New", "email": "planted-login@example.org" });
    told(app, "user.created", of).await;
    assert_eq!(app.count("select count(*) from users").await, users + 1);
}
