//! `/v1/organizations/{organization_id}/members`: members of a clinic and their roles.

use restartix_sdk::core::types::{Member, MemberRole, UpdateMember};
use serde_json::json;
use test_support::{Actor, ClerkEvent, CoreApp, Person, Role, granted, refused, until};
use uuid::Uuid;

use crate::invitation::{invite, signed_up, told};

/// Invites an address to the home organization, and accepts.
async fn joined(app: &CoreApp, name: &str, email: &str, role: MemberRole) -> Person {
    let person = signed_up(app, name, email).await;
    let invited = invite(&app.admin(), app.home().id, email, role).await;
    granted(app.actor(&person).me_invitation_accept().invitation_id(invited.id).send().await, 200);
    person
}

async fn members(actor: &Actor, organization: i64) -> Vec<Member> {
    granted(actor.member_list().organization_id(organization).send().await, 200).data
}

async fn role_of(actor: &Actor) -> Option<String> {
    granted(actor.me_get().send().await, 200).role.map(|role| role.to_string())
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let app = CoreApp::start().await;
    let (admin, home) = (app.admin(), app.home().id);
    let user = app.home().admin.user_id;
    let demote = UpdateMember { role: MemberRole::Staff };
    for actor in [admin.clone(), app.superadmin().in_organization(home)] {
        let answer = actor.member_update().organization_id(home).user_id(user).body(demote.clone()).send().await;
        refused(answer, 409, "last_admin");
        refused(actor.member_delete().organization_id(home).user_id(user).send().await, 409, "last_admin");
    }
    let other = app.member_add(Role::Admin).await;
    granted(admin.member_update().organization_id(home).user_id(user).body(demote).send().await, 200);
    assert_eq!(role_of(&admin).await.as_deref(), Some("staff"));
    refused(
        app.actor(&other).member_delete().organization_id(home).user_id(other.user_id).send().await,
        409,
        "last_admin",
    );
}

#[tokio::test]
async fn two_administrators_who_demote_each_other_leave_one() {
    let app = CoreApp::start().await;
    let second = app.second_core().await;
    let home = app.home().id;
    let (one, other) = (app.home().admin.clone(), app.member_add(Role::Admin).await);
    let (here, there) = (app.actor(&one), app.actor(&other).at(&second.url()));
    for _ in 0..10 {
        let demote = |actor: Actor, user: i64| async move {
            let body = UpdateMember { role: MemberRole::Staff };
            actor.member_update().organization_id(home).user_id(user).body(body).send().await.is_ok()
        };
        let (_, _) = tokio::join!(demote(here.clone(), other.user_id), demote(there.clone(), one.user_id));
        let sql = "select count(*) from memberships where role = 'admin' and organization_id = (select min(id) from organizations)";
        assert_eq!(app.count(sql).await, 1);
        sqlx::query("update memberships set role = 'admin' where user_id = any($1)")
            .bind([one.user_id, other.user_id])
            .execute(&mut app.owner().await)
            .await
            .unwrap();
        for actor in [&here, &there] {
            until("both administer again", CoreApp::PATIENCE, || async {
                (role_of(actor).await.as_deref() == Some("admin")).then_some(())
            })
            .await;
        }
    }
}

#[tokio::test]
async fn a_changed_role_counts_at_once_here_and_is_heard_of_elsewhere() {
    let app = CoreApp::start().await;
    let second = app.second_core().await;
    let (admin, home) = (app.admin(), app.home().id);
    let staff = app.staff();
    let there = staff.at(&second.url());
    let user = app.home().staff.user_id;
    for (role, name) in [(MemberRole::Patient, "patient"), (MemberRole::Admin, "admin"), (MemberRole::Staff, "staff")] {
        assert_ne!(role_of(&staff).await.as_deref(), Some(name));
        assert_ne!(role_of(&there).await.as_deref(), Some(name));
        let body = UpdateMember { role };
        granted(admin.member_update().organization_id(home).user_id(user).body(body).send().await, 200);
        assert_eq!(role_of(&staff).await.as_deref(), Some(name));
        let ((), took) = until("the other process has heard", CoreApp::HEARD, || async {
            (role_of(&there).await.as_deref() == Some(name)).then_some(())
        })
        .await;
        println!("{name} after {took:?} in the other process");
    }
    granted(admin.member_delete().organization_id(home).user_id(user).send().await, 204);
    refused(staff.patient_list().send().await, 403, "organization_required");
    until("the other process has heard", CoreApp::HEARD, || async {
        there.patient_list().send().await.is_err().then_some(())
    })
    .await;
    refused(admin.member_delete().organization_id(home).user_id(user).send().await, 404, "member_not_found");
}

#[tokio::test]
async fn who_is_removed_leaves_the_records() {
    let app = CoreApp::start().await;
    let (admin, home) = (app.admin(), app.home().id);
    let patient = app.patient_record().await;
    for user in [app.home().specialist.user_id, app.home().patient.user_id] {
        granted(admin.member_delete().organization_id(home).user_id(user).send().await, 204);
    }
    let patient = granted(admin.patient_get().patient_id(patient.id).send().await, 200);
    assert_eq!(patient.user_id, None);
    let specialist = granted(admin.specialist_get().specialist_id(app.home().specialist_id).send().await, 200);
    assert_eq!(specialist.user_id, None);
}

#[tokio::test]
async fn members_are_listed_by_name_and_each_that_is_shown_is_on_record() {
    let app = CoreApp::start().await;
    let (admin, home) = (app.admin(), app.home().id);
    let ana = joined(&app, "Ana", "Ana.Pop@example.org", MemberRole::Staff).await;
    joined(&app, "Tom", "tom@example.org", MemberRole::Patient).await;
    let all = members(&admin, home).await;
    assert_eq!(all.len(), 6);
    let first = (all[0].user_id, all[0].name.as_str(), all[0].email.as_deref(), all[0].role);
    assert_eq!(first, (ana.user_id, "Ana", Some("Ana.Pop@example.org"), MemberRole::Staff), "by name");
    let page = granted(admin.member_list().organization_id(home).page(2).page_size(4).send().await, 200);
    assert_eq!((page.data.len(), page.meta.total), (2, 6));
    let sql = "select count(*) from audit_log where entity_type = 'membership' and action = 'read'";
    assert_eq!(app.count(sql).await, 8);
}

#[tokio::test]
async fn a_new_administrator_has_an_entry_of_its_own() {
    let app = CoreApp::start().await;
    let home = app.home().id;
    let ana = joined(&app, "Ana", "ana@example.org", MemberRole::Admin).await;
    joined(&app, "Tom", "tom@example.org", MemberRole::Staff).await;
    let entries: Vec<(i64, Option<i64>, Option<String>)> = sqlx::query_as(
        "select organization_id, actor_user_id, entity_id from audit_log
         where entity_type = 'membership' and action = 'admin_granted'",
    )
    .fetch_all(&mut app.owner().await)
    .await
    .unwrap();
    // The audit row names the user who accepted; the invitation's row names the inviter.
    assert_eq!(entries, [(home, Some(ana.user_id), Some(ana.user_id.to_string()))]);
}

#[tokio::test]
async fn another_clinics_members_are_not_there() {
    let app = CoreApp::start().await;
    let (admin, home, away) = (app.admin(), app.home().id, app.away());
    refused(admin.member_list().organization_id(away.id).send().await, 404, "organization_not_found");
    // A member there is not a member here.
    let body = UpdateMember { role: MemberRole::Admin };
    let user = away.staff.user_id;
    let answer = admin.member_update().organization_id(home).user_id(user).body(body).send().await;
    refused(answer, 404, "member_not_found");
    refused(admin.member_delete().organization_id(home).user_id(user).send().await, 404, "member_not_found");
    for actor in [app.staff(), app.specialist(), app.patient()] {
        refused(actor.member_list().organization_id(home).send().await, 403, "permission_denied");
    }
}

#[tokio::test]
async fn who_accepts_an_invitation_is_a_member_in_whatever_order_the_news_come() {
    let app = CoreApp::start().await;
    sqlx::query("update organizations set clerk_id = 'org_1' where id = $1")
        .bind(app.home().id)
        .execute(&mut app.owner().await)
        .await
        .unwrap();
    let told_of = |clerk_id: &str, number: i32| {
        let of = json!({ "id": format!("orginv_{number}"), "organization": "org_1", "user": clerk_id, "email": "x@example.org",
                         "role": "org:staff", "at": 1_000 });
        let user = json!({ "id": clerk_id, "at": 2_000, "first_name": "Ina", "email": "x@example.org" });
        [
            ClerkEvent::new("organizationInvitation.created", of.clone()),
            ClerkEvent::new("organizationInvitation.accepted", of),
            ClerkEvent::new("user.created", user),
        ]
    };
    for (number, order) in [[0, 1, 2], [2, 1, 0], [1, 2, 0]].iter().enumerate() {
        let clerk_id = format!("user_{}", Uuid::new_v4().simple());
        let events = told_of(&clerk_id, i32::try_from(number).unwrap());
        for index in order {
            told(&app, events[*index].clone()).await;
        }
        let person = Person { user_id: 0, clerk_id };
        let me = granted(app.actor(&person).in_organization(app.home().id).me_get().send().await, 200);
        assert_eq!((me.name.as_str(), me.role.map(|role| role.to_string())), ("Ina", Some("staff".into())));
    }
    let sql = "select count(*) from audit_log where entity_type = 'membership' and actor_kind = 'system'";
    assert_eq!(app.count(sql).await, 3);
    // A deleted user can't join, and an unlinked organization gets no members.
    let gone = format!("user_{}", Uuid::new_v4().simple());
    told(&app, ClerkEvent::new("user.deleted", json!({ "id": gone, "at": 1 }))).await;
    told(&app, told_of(&gone, 7)[1].clone()).await;
    let stranger = json!({ "id": "orginv_9", "organization": "org_2", "user": format!("{gone}x"), "email": "x@example.org",
                           "role": "org:admin", "at": 1_000 });
    told(&app, ClerkEvent::new("organizationInvitation.accepted", stranger)).await;
    assert_eq!(app.count(sql).await, 5, "both are ignored, on record");
    assert_eq!(app.count("select count(*) from memberships").await, 11);
}
