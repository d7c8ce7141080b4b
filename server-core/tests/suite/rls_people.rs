//! Changes to people that the application role tries in SQL, in contexts of its choice: an administrator can't make
//! anybody a member or linked, or merge patients except by the function, and a user reaches only its own row.

use restartix_sdk::core::types::{ConnectUser, MemberRole};
use test_support::{CoreApp, granted};

use crate::{
    patient_merge::{merge, twice},
    rls_attack::{Asker, DENIED, attempt},
};

#[tokio::test]
async fn nobody_is_a_member_or_linked_by_an_administrators_word() {
    let app = CoreApp::start().await;
    let (home, admin) = (app.home().id, app.home().admin.user_id);
    let patient = app.patient_create(&app.admin(), "Ann", "Lee").await.id;
    let body = ConnectUser { email: Some("new@example.org".to_owned()), user_id: None, role: MemberRole::Staff };
    granted(app.admin().member_connect().organization_id(home).body(body).send().await, 201);
    let mut restricted = app.database.app().await;
    let asker = Some(Asker { organization: home, user: admin, role: "admin" });
    let stranger = app.away().staff.user_id;
    let member = app.home().patient.user_id;
    let denied = Err(DENIED.to_owned());
    for sql in [
        format!("insert into memberships (organization_id, user_id, role) values ({home}, {stranger}, 'staff')"),
        format!("update patients set user_id = {member} where id = {patient}"),
        format!("update specialists set user_id = null where id = {}", app.home().specialist_id),
        format!(
            "insert into specialists (organization_id, user_id, name, timezone) values ({home}, {member}, 'X', 'UTC')"
        ),
        // Nobody can answer for another user, invite in another's name, or invite for longer than 14 days.
        "update invitations set status = 'accepted', ended_at = now()".to_owned(),
        format!("update invitations set user_id = {stranger}"),
        "update invitations set expires_at = now() + interval '15 days'".to_owned(),
        format!(
            "insert into invitations (organization_id, uid, kind, role, user_id, invited_by)
             values ({home}, gen_random_uuid(), 'membership', 'admin', {stranger}, {stranger})"
        ),
    ] {
        assert_eq!(attempt(&mut restricted, asker, &sql).await, denied, "{sql}");
    }
    let revoke = "update invitations set status = 'revoked', ended_at = now()";
    assert_eq!(attempt(&mut restricted, asker, revoke).await, Ok(1));
    for role in ["staff", "specialist", "patient", "api_key", ""] {
        let asker = Some(Asker { organization: home, user: admin, role });
        for sql in ["select 1 from invitations", revoke] {
            assert_eq!(attempt(&mut restricted, asker, sql).await, Ok(0), "{role}: {sql}");
        }
    }
    // An e-mail address identifies only members, and only to administrators.
    let known = "select 1 where user_find(null, (select email_index from invitations)) is not null";
    assert_eq!(attempt(&mut restricted, asker, known).await, Ok(0));
}

#[tokio::test]
async fn a_user_reaches_its_own_row_alone() {
    let app = CoreApp::start().await;
    let mut restricted = app.database.app().await;
    let me = app.home().staff.user_id;
    let asker = Some(Asker { organization: app.home().id, user: me, role: "staff" });
    let touch = "update users set current_organization_id = current_organization_id";
    assert_eq!(attempt(&mut restricted, None, "select id from users").await, Ok(0));
    assert_eq!(attempt(&mut restricted, None, touch).await, Ok(0));
    assert_eq!(attempt(&mut restricted, asker, "select id from users").await, Ok(1));
    assert_eq!(attempt(&mut restricted, asker, touch).await, Ok(1));
    for actor in [app.admin(), app.staff()] {
        granted(actor.calendar_feed_create().send().await, 201);
    }
    let revoke = "update calendar_feeds set revoked_at = now()";
    for sql in ["select id from calendar_feeds", revoke] {
        assert_eq!(attempt(&mut restricted, asker, sql).await, Ok(1), "of two: {sql}");
    }
    // Administrators may change roles; nobody can change its own.
    assert_eq!(attempt(&mut restricted, asker, "update memberships set role = 'admin'").await, Ok(0));
    let denied = Err(DENIED.to_owned());
    for sql in [
        "update users set superadmin = true",
        "update users set clerk_id = 'user_x'",
        "delete from users",
        "insert into users (clerk_id) values ('user_x')",
        "insert into memberships (organization_id, user_id, role) select 1, id, 'admin' from users",
        "update memberships set organization_id = organization_id",
        "select * from revoked_sessions",
        "insert into clerk_events (id) values ('msg_1')",
        "update calendar_feeds set user_id = user_id + 1",
        "delete from calendar_feeds",
        "truncate appointments",
        "select * from _sqlx_migrations",
    ] {
        assert_eq!(attempt(&mut restricted, asker, sql).await, denied, "{sql}");
    }
}

#[tokio::test]
async fn owners_are_changed_by_an_administrators_merge_and_in_no_other_way() {
    let app = CoreApp::start().await;
    let (home, admin) = (app.home().id, app.home().admin.user_id);
    let (stays, goes) = twice(&app).await;
    let (other, twin) = twice(&app).await;
    merge(&app.admin(), &other, &twin).await;
    let mut restricted = app.database.app().await;
    let denied = Err(DENIED.to_owned());
    let call = format!("select * from patient_merge({}, {}, 1, 1)", stays.id, goes.id);
    let writes = [
        format!("update patient_merges set owner_id = {}", stays.id),
        "delete from patient_merges".to_owned(),
        format!(
            "insert into patient_merges (organization_id, patient_id, owner_id) values ({home}, {}, {})",
            goes.id, stays.id
        ),
    ];
    for role in ["admin", "staff", "specialist", "patient", "api_key", "superadmin", "system", ""] {
        let asker = Some(Asker { organization: home, user: admin, role });
        for sql in &writes {
            assert_eq!(attempt(&mut restricted, asker, sql).await, denied, "{role}: {sql}");
        }
        if role != "admin" {
            assert_eq!(attempt(&mut restricted, asker, &call).await, denied, "{role}: {call}");
        }
    }
    assert_eq!(attempt(&mut restricted, None, &call).await, denied, "without a context");
    // An administrator of another clinic reaches neither of the two.
    let away = Some(Asker { organization: app.away().id, user: app.away().admin.user_id, role: "admin" });
    let not_there = format!("select * from patient_merge({}, {}, 1, 1) where kind = 'not_there'", stays.id, goes.id);
    assert_eq!(attempt(&mut restricted, away, &not_there).await, Ok(1));
    // An administrator who acts as somebody is not one.
    let acting = format!("set local app.current_impersonator_id = '{admin}'; {call}");
    let asker = Some(Asker { organization: home, user: admin, role: "admin" });
    assert_eq!(attempt(&mut restricted, asker, &acting).await, denied);
    assert_eq!(granted(app.admin().patient_get().patient_id(goes.id).send().await, 200), goes);
}
