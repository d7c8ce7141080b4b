//! Invitations: memberships and links begin only when the person accepts.

use std::collections::BTreeSet;

use reqwest::Method;
use restartix_sdk::core::types::{
    BeginImpersonation, ConnectUser, Invitation, InvitationKind, InvitationStatus, MemberRole, MyInvitation,
    UpdateMember,
};
use serde_json::json;
use sqlx::AssertSqlSafe;
use test_support::{Actor, Answer, Clerk, ClerkApi, ClerkEvent, CoreApp, Person, Role, granted, refused, until};
use uuid::Uuid;

pub(crate) async fn told(app: &CoreApp, event: ClerkEvent) {
    let answer = Answer::to(Clerk::sign(&[event])[0].to(&app.url())).await;
    assert_eq!(answer.status.as_u16(), 204, "{}", answer.body);
}

/// Signs up a user without memberships.
pub(crate) async fn signed_up(app: &CoreApp, name: &str, email: &str) -> Person {
    let clerk_id = format!("user_{}", Uuid::new_v4().simple());
    let of = json!({ "id": clerk_id, "at": 1_000, "first_name": name, "email": email });
    told(app, ClerkEvent::new("user.created", of)).await;
    let user_id = sqlx::query_scalar("select id from users where clerk_id = $1").bind(&clerk_id);
    Person { user_id: user_id.fetch_one(&mut app.owner().await).await.unwrap(), clerk_id }
}

fn by_email(email: &str, role: MemberRole) -> ConnectUser {
    ConnectUser { email: Some(email.to_owned()), user_id: None, role }
}

fn by_id(user: i64, role: MemberRole) -> ConnectUser {
    ConnectUser { email: None, user_id: Some(user), role }
}

/// Invites an address to an organization.
pub(crate) async fn invite(admin: &Actor, organization: i64, email: &str, role: MemberRole) -> Invitation {
    granted(admin.member_connect().organization_id(organization).body(by_email(email, role)).send().await, 201)
}

pub(crate) async fn mine(actor: &Actor) -> Vec<MyInvitation> {
    granted(actor.me_get().send().await, 200).invitations
}

async fn listed(admin: &Actor, organization: i64) -> Vec<Invitation> {
    granted(admin.invitation_list().organization_id(organization).send().await, 200).data
}

async fn execute(app: &CoreApp, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut app.owner().await).await.unwrap();
}

#[tokio::test]
async fn a_stranger_who_is_connected_and_erased_keeps_account_and_login() {
    let clerk = ClerkApi::start([]).await;
    let builder = CoreApp::builder().env("CLERK_API_URL", clerk.url());
    let app = builder.env("CLERK_SECRET_KEY", clerk.secret_key()).start().await;
    let (admin, home) = (app.admin(), app.home().id);
    let victim = signed_up(&app, "Vic", "vic@example.org").await;
    clerk.user_add(&victim.clerk_id);
    let body = by_email("vic@example.org", MemberRole::Staff);
    let path = format!("/v1/organizations/{home}/connect-user");
    let answer = Answer::to(admin.request(Method::POST, &path).json(&body)).await;
    assert!(answer.json(201).get("user_id").is_none(), "{}", answer.body);

    let erase = format!("/v1/gdpr/users/{}", victim.user_id);
    Answer::to(admin.request(Method::DELETE, &erase)).await.refusal(404, "user_not_found");
    let anonymize = admin.request(Method::POST, &format!("{erase}/anonymize"));
    Answer::to(anonymize).await.refusal(404, "user_not_found");
    let export = admin.request(Method::GET, &format!("{erase}/export"));
    Answer::to(export).await.refusal(404, "user_not_found");
    let me = granted(app.actor(&victim).me_get().send().await, 200);
    assert_eq!((me.memberships.len(), me.invitations.len()), (0, 1));
    assert!(clerk.has(&victim.clerk_id));
}

#[tokio::test]
async fn nothing_tells_who_has_an_account() {
    let clerk = ClerkApi::start([]).await;
    let builder = CoreApp::builder().env("CLERK_API_URL", clerk.url());
    let app = builder.env("CLERK_SECRET_KEY", clerk.secret_key()).start().await;
    let (admin, home) = (app.admin(), app.home().id);
    signed_up(&app, "Ana", "ana@example.org").await;
    let path = format!("/v1/organizations/{home}/connect-user");
    let mut shapes = BTreeSet::new();
    for email in ["ana@example.org", "nobody@example.org"] {
        let mut asked = Vec::new();
        for _ in 0..2 {
            let body = json!({ "email": email, "role": "staff" });
            let answer = Answer::to(admin.request(Method::POST, &path).json(&body)).await;
            let invitation = answer.json(201);
            assert_eq!((invitation["email"].as_str(), invitation["status"].as_str()), (Some(email), Some("pending")));
            asked.push(invitation["id"].as_i64());
            shapes.insert(invitation.as_object().unwrap().keys().cloned().collect::<Vec<_>>());
        }
        assert_eq!(asked[0], asked[1], "asked for again, it is renewed");
    }
    assert_eq!(shapes.len(), 1, "{shapes:?}");
    // Neither do the list, the audit trail or the jobs.
    let all = listed(&admin, home).await;
    assert!(all.iter().all(|one| one.user_id.is_none() && one.status == InvitationStatus::Pending), "{all:?}");
    let same = "select count(distinct (action, entity_type, changed_fields)) from audit_log
                where operation_id = 'member_connect' and action = 'created'";
    assert_eq!(app.count(same).await, 1);
    // Only a person without an account receives an e-mail, and only one at a time.
    until("the letter is written", CoreApp::PATIENCE, || async {
        (app.count("select count(*) from jobs where kind = 'invitation_send' and state <> 'succeeded'").await == 0)
            .then_some(())
    })
    .await;
    let written: BTreeSet<String> =
        clerk.invited().iter().map(|asked| asked["email_address"].as_str().unwrap().to_owned()).collect();
    assert_eq!(written, BTreeSet::from(["nobody@example.org".to_owned()]));
    assert!(clerk.invited().iter().all(|asked| asked["expires_in_days"] == 14), "{:?}", clerk.invited());
    // Jobs store only ids, and the address is encrypted.
    let payloads = "select count(*) from jobs where kind = 'invitation_send' and payload::text like '%example%'";
    assert_eq!(app.count(payloads).await, 0);
    let sealed = app.search("nobody@example.org").await;
    let places: BTreeSet<_> = sealed.iter().map(|place| place.column.as_str()).collect();
    assert_eq!(places, BTreeSet::from(["email_encrypted", "email_index"]), "{sealed:?}");
}

#[tokio::test]
async fn an_identity_provider_that_fails_holds_nothing_up() {
    let clerk = ClerkApi::start([]).await;
    clerk.fail(true);
    let builder = CoreApp::builder().env("CLERK_API_URL", clerk.url());
    let app = builder.env("CLERK_SECRET_KEY", clerk.secret_key()).start().await;
    invite(&app.admin(), app.home().id, "nobody@example.org", MemberRole::Staff).await;
    until("it was asked", CoreApp::PATIENCE, || async { (clerk.calls() > 0).then_some(()) }).await;
    clerk.fail(false);
    until("the letter is written", CoreApp::PATIENCE, || async { (clerk.invited().len() == 1).then_some(()) }).await;
}

#[tokio::test]
async fn who_accepts_is_a_member_from_the_next_request_on() {
    let app = CoreApp::start().await;
    let (admin, home) = (app.admin(), app.home().id);
    // The invitation precedes the account.
    let invited = invite(&admin, home, "Ana.Pop@Example.org", MemberRole::Staff).await;
    assert_eq!((invited.kind, invited.email.as_deref()), (InvitationKind::Membership, Some("Ana.Pop@example.org")));
    let ana = app.actor(&signed_up(&app, "Ana", "ana.pop@example.org").await);
    let seen = mine(&ana).await;
    assert_eq!(seen.iter().map(|one| (one.id, one.organization_id)).collect::<Vec<_>>(), [(invited.id, home)]);
    assert_eq!((seen[0].organization_name.as_str(), seen[0].role), ("Riverside Clinic", MemberRole::Staff));
    refused(ana.in_organization(home).patient_list().send().await, 404, "organization_not_found");
    let members = granted(admin.member_list().organization_id(home).send().await, 200).data;
    assert_eq!(members.len(), 4, "the invited is none yet");

    let membership = granted(ana.me_invitation_accept().invitation_id(invited.id).send().await, 200);
    assert_eq!((membership.organization_id, membership.role.to_string()), (home, "staff".to_owned()));
    granted(ana.in_organization(home).patient_list().send().await, 200);
    assert_eq!(mine(&ana).await, []);
    refused(ana.me_invitation_accept().invitation_id(invited.id).send().await, 404, "invitation_not_found");
    let list = listed(&admin, home).await;
    assert_eq!((list.len(), list[0].status, list[0].ended_at.is_some()), (1, InvitationStatus::Accepted, true));
    refused(
        admin
            .member_connect()
            .organization_id(home)
            .body(by_email("ana.pop@example.org", MemberRole::Admin))
            .send()
            .await,
        409,
        "already_member",
    );
    // An organization is told about its own members only.
    invite(&app.other_admin(), app.away().id, "ana.pop@example.org", MemberRole::Staff).await;
    assert_eq!(mine(&ana).await.len(), 1);
}

#[tokio::test]
async fn an_open_invitation_is_its_persons_alone() {
    let app = CoreApp::start().await;
    let (admin, home) = (app.admin(), app.home().id);
    let invited = invite(&admin, home, "ana@example.org", MemberRole::Admin).await.id;
    let ana = app.actor(&signed_up(&app, "Ana", "ana@example.org").await);
    let tom = app.actor(&signed_up(&app, "Tom", "tom@example.org").await);
    for stranger in [&tom, &app.staff(), &app.other_admin(), &app.superadmin(), &admin] {
        let accept = stranger.me_invitation_accept().invitation_id(invited).send().await;
        refused(accept, 404, "invitation_not_found");
        let decline = stranger.me_invitation_decline().invitation_id(invited).send().await;
        refused(decline, 404, "invitation_not_found");
        assert_eq!(mine(stranger).await, []);
    }
    // An unverified address gives no access to the invitation.
    let unproved = json!({ "id": format!("user_{}", Uuid::new_v4().simple()), "at": 1, "first_name": "Eve",
                           "email": "ana@example.org", "verified": false });
    told(&app, ClerkEvent::new("user.created", unproved.clone())).await;
    let eve = Person { user_id: 0, clerk_id: unproved["id"].as_str().unwrap().to_owned() };
    assert_eq!(mine(&app.actor(&eve)).await, []);

    granted(ana.me_invitation_decline().invitation_id(invited).send().await, 204);
    refused(ana.me_invitation_accept().invitation_id(invited).send().await, 404, "invitation_not_found");
    assert_eq!(listed(&admin, home).await[0].status, InvitationStatus::Declined);

    // A revoked invitation and an expired one; a repeated one is valid for 14 days.
    let taken_back = invite(&admin, home, "ana@example.org", MemberRole::Staff).await.id;
    assert_ne!(taken_back, invited);
    let revoke = || admin.invitation_delete().organization_id(home).invitation_id(taken_back);
    granted(revoke().send().await, 204);
    refused(revoke().send().await, 404, "invitation_not_found");
    refused(ana.me_invitation_accept().invitation_id(taken_back).send().await, 404, "invitation_not_found");
    let late = invite(&admin, home, "ana@example.org", MemberRole::Staff).await;
    execute(&app, &format!("update invitations set expires_at = now() - interval '1 second' where id = {}", late.id))
        .await;
    assert_eq!(mine(&ana).await, []);
    refused(ana.me_invitation_accept().invitation_id(late.id).send().await, 404, "invitation_not_found");
    assert_eq!(listed(&admin, home).await[0].status, InvitationStatus::Expired);
    let renewed = invite(&admin, home, "ana@example.org", MemberRole::Specialist).await;
    assert_eq!((renewed.id, renewed.role), (late.id, MemberRole::Specialist));
    assert!(renewed.expires_at - late.expires_at < chrono::TimeDelta::minutes(5), "{renewed:?}");
    let accepted = granted(ana.me_invitation_accept().invitation_id(late.id).send().await, 200);
    assert_eq!(accepted.role.to_string(), "specialist");
}

#[tokio::test]
async fn ids_are_no_directory_of_the_platform() {
    let app = CoreApp::start().await;
    let (admin, home) = (app.admin(), app.home().id);
    let connect = async |actor: &Actor, user| {
        actor.member_connect().organization_id(home).body(by_id(user, MemberRole::Staff)).send().await
    };
    let person = signed_up(&app, "Ana", "ana@example.org").await;
    let (ana, actor) = (person.user_id, app.actor(&person));
    for stranger in [ana, app.away().staff.user_id, app.superadmin().person().user_id, 999_999] {
        refused(connect(&admin, stranger).await, 404, "user_not_found");
    }
    let invited = granted(connect(&app.superadmin().in_organization(home), ana).await, 201);
    assert_eq!((invited.user_id, invited.email), (Some(ana), None));
    // An invitation does not make a user known to the organization.
    refused(connect(&admin, ana).await, 404, "user_not_found");
    granted(actor.me_invitation_accept().invitation_id(invited.id).send().await, 200);
    refused(connect(&admin, ana).await, 409, "already_member");
    // A former member is known.
    granted(admin.member_delete().organization_id(home).user_id(ana).send().await, 204);
    let again = granted(connect(&admin, ana).await, 201).id;
    granted(actor.me_invitation_accept().invitation_id(again).send().await, 200);
    // Only to that organization.
    let there = app.other_admin();
    let there = there.member_connect().organization_id(app.away().id);
    refused(there.body(by_id(ana, MemberRole::Staff)).send().await, 404, "user_not_found");

    for whom in [(None, None), (Some("tom@example.org".to_owned()), Some(ana))] {
        let body = ConnectUser { email: whom.0, user_id: whom.1, role: MemberRole::Staff };
        refused(admin.member_connect().organization_id(home).body(body).send().await, 422, "validation_failed");
    }
    // No role above an administrator can be granted.
    let path = format!("/v1/organizations/{home}/connect-user");
    let body = json!({ "email": "tom@example.org", "role": "superadmin" });
    Answer::to(admin.request(Method::POST, &path).json(&body)).await.refusal(422, "validation_failed");
}

#[tokio::test]
async fn an_address_that_moved_means_who_has_it_now() {
    let app = CoreApp::start().await;
    let (admin, home) = (app.admin(), app.home().id);
    let first = app.actor(&signed_up(&app, "First", "shared@example.org").await);
    let invited = invite(&admin, home, "shared@example.org", MemberRole::Staff).await.id;
    assert_eq!(mine(&first).await.len(), 1);
    // The event of the address's new user arrives before the event of its former user.
    let second = Person { user_id: 0, clerk_id: format!("user_{}", Uuid::new_v4().simple()) };
    let of = json!({ "id": second.clerk_id, "at": 2_000, "first_name": "Second", "email": "shared@example.org" });
    told(&app, ClerkEvent::new("user.created", of)).await;
    assert_eq!(mine(&first).await, []);
    refused(first.me_invitation_accept().invitation_id(invited).send().await, 404, "invitation_not_found");
    granted(app.actor(&second).me_invitation_accept().invitation_id(invited).send().await, 200);
}

#[tokio::test]
async fn whoever_accepts_twice_at_once_is_a_member_once() {
    let app = CoreApp::start().await;
    let second = app.second_core().await;
    let invited = invite(&app.admin(), app.home().id, "ana@example.org", MemberRole::Staff).await.id;
    let ana = app.actor(&signed_up(&app, "Ana", "ana@example.org").await);
    let there = ana.at(&second.url());
    let accept = async |actor: &Actor| actor.me_invitation_accept().invitation_id(invited).send().await.is_ok();
    let (one, other) = tokio::join!(accept(&ana), accept(&there));
    assert!(one != other, "one of two: {one}, {other}");
    let joined = "select count(*) from audit_log where action = 'accepted' and entity_type = 'invitation'";
    assert_eq!(app.count(joined).await, 1);
}

#[tokio::test]
async fn the_right_to_invite_ends_with_the_role() {
    let app = CoreApp::start().await;
    let (admin, home) = (app.admin(), app.home().id);
    let accomplice = app.actor(&signed_up(&app, "Acc", "acc@example.org").await);
    for demoted in [true, false] {
        let rogue = app.member_add(Role::Admin).await;
        let invited = invite(&app.actor(&rogue), home, "acc@example.org", MemberRole::Admin).await.id;
        assert_eq!(mine(&accomplice).await.len(), 1);
        if demoted {
            let body = UpdateMember { role: MemberRole::Staff };
            granted(admin.member_update().organization_id(home).user_id(rogue.user_id).body(body).send().await, 200);
        } else {
            granted(admin.member_delete().organization_id(home).user_id(rogue.user_id).send().await, 204);
        }
        assert_eq!(mine(&accomplice).await, []);
        let accept = accomplice.me_invitation_accept().invitation_id(invited).send().await;
        refused(accept, 404, "invitation_not_found");
    }
    // A removed member can't return by an open invitation.
    let member = signed_up(&app, "Mem", "mem@example.org").await;
    let invited = invite(&admin, home, "mem@example.org", MemberRole::Staff).await.id;
    app.membership_add(&member, home, Role::Patient).await;
    granted(admin.member_delete().organization_id(home).user_id(member.user_id).send().await, 204);
    let accept = app.actor(&member).me_invitation_accept().invitation_id(invited).send().await;
    refused(accept, 404, "invitation_not_found");
}

#[tokio::test]
async fn another_clinics_invitations_are_not_there() {
    let app = CoreApp::start().await;
    let (admin, home, away) = (app.admin(), app.home().id, app.away().id);
    let theirs = invite(&app.other_admin(), away, "new@example.org", MemberRole::Staff).await.id;
    assert_eq!(listed(&admin, home).await, []);
    let revoke = admin.invitation_delete().organization_id(home).invitation_id(theirs).send().await;
    refused(revoke, 404, "invitation_not_found");
    assert_eq!(listed(&app.other_admin(), away).await[0].status, InvitationStatus::Pending);
    for actor in [app.staff(), app.specialist(), app.patient()] {
        refused(actor.invitation_list().organization_id(home).send().await, 403, "permission_denied");
        let connect = actor.member_connect().organization_id(home).body(by_email("x@example.org", MemberRole::Staff));
        refused(connect.send().await, 403, "permission_denied");
    }
}

#[tokio::test]
async fn who_acts_as_somebody_sees_and_answers_no_invitation() {
    let app = CoreApp::start().await;
    let record = app.patient_record().await.id;
    let body = by_id(app.home().patient.user_id, MemberRole::Staff);
    let platform = app.superadmin().in_organization(app.away().id);
    let invited = granted(platform.member_connect().organization_id(app.away().id).body(body).send().await, 201).id;
    assert_eq!(mine(&app.patient()).await.len(), 1);
    let body = BeginImpersonation { minutes: None, reason: "A test".to_owned() };
    let token = granted(app.admin().patient_impersonate().patient_id(record).body(body).send().await, 201).token;
    let acting = app.admin().holding(&token);
    assert_eq!(mine(&acting).await, []);
    for answer in ["accept", "decline"] {
        let path = format!("/v1/me/invitations/{invited}/{answer}");
        Answer::to(acting.request(Method::POST, &path)).await.refusal(403, "impersonation_not_allowed");
    }
    Answer::to(acting.request(Method::DELETE, "/v1/me")).await.refusal(403, "impersonation_not_allowed");
    assert_eq!(mine(&app.patient()).await.len(), 1);
}

#[tokio::test]
async fn memberships_of_before_go_on() {
    // The former version created memberships without an invitation.
    let app = CoreApp::start().await;
    let person = app.member_add(Role::Staff).await;
    let record = app.patient_create(&app.admin(), "Ann", "Before").await.id;
    let patient = app.member_add(Role::Patient).await;
    execute(&app, &format!("update patients set user_id = {} where id = {record}", patient.user_id)).await;
    granted(app.actor(&person).patient_list().send().await, 200);
    assert_eq!(granted(app.actor(&patient).me_get().send().await, 200).patient_id, Some(record));
    assert_eq!(app.count("select count(*) from invitations").await, 0);
}

#[tokio::test]
async fn what_ended_a_while_ago_is_removed() {
    let app = CoreApp::start().await;
    let (admin, home) = (app.admin(), app.home().id);
    for email in ["old@example.org", "late@example.org", "new@example.org"] {
        invite(&admin, home, email, MemberRole::Staff).await;
    }
    let ids: Vec<i64> = listed(&admin, home).await.iter().map(|one| one.id).collect();
    execute(
        &app,
        &format!(
            "update invitations set status = 'declined', ended_at = now() - interval '31 days' where id = {};
             update invitations set expires_at = now() - interval '31 days' where id = {}",
            ids[0], ids[1]
        ),
    )
    .await;
    crate::waitlist::now(&app, "invitations_expire").await;
    until("they are removed", CoreApp::PATIENCE, || async {
        (listed(&admin, home).await.iter().map(|one| one.id).eq([ids[2]])).then_some(())
    })
    .await;
}
