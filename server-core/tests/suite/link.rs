//! Links between records and logins: an administrator requests a link and the person accepts it; nothing else changes
//! it.

use reqwest::Method;
use restartix_sdk::core::types::{
    BeginImpersonation, ConnectUser, InvitationKind, LinkRecord, MemberRole, Scope, UpdateMember,
};
use serde_json::json;
use test_support::{Answer, CoreApp, Role, granted, refused, until};

use crate::{
    invitation::{invite, signed_up},
    patient::unchanged,
};

fn to_email(email: &str) -> LinkRecord {
    LinkRecord { email: Some(email.to_owned()), user_id: None }
}

fn to_member(user: i64) -> LinkRecord {
    LinkRecord { email: None, user_id: Some(user) }
}

#[tokio::test]
async fn a_write_only_key_hands_no_record_to_anybody() {
    let app = CoreApp::start().await;
    let own = app.patient_record().await;
    let other = app.member_add(Role::Patient).await;
    let program = app.program(&[Scope::PatientsWrite, Scope::SpecialistsWrite]).await;
    let path = format!("/v1/patients/{}", own.id);
    for (user_id, staff) in [(json!(other.user_id), false), (json!(null), false), (json!(other.user_id), true)] {
        let body = json!({ "first_name": "Pia", "last_name": "Own", "version": own.version, "user_id": user_id });
        let request = if staff { app.staff().request(Method::PUT, &path) } else { program.request(Method::PUT, &path) };
        let refusal = Answer::to(request.json(&body)).await.refusal(400, "unknown_field");
        assert_eq!(refusal.fields(), [("/user_id", "unknown")]);
    }
    for (path, body) in [
        ("/v1/patients", json!({ "first_name": "Ann", "last_name": "Lee", "user_id": other.user_id })),
        ("/v1/specialists", json!({ "name": "Dr. X", "timezone": "Europe/Berlin", "user_id": other.user_id })),
    ] {
        let create = app.admin().request(Method::POST, path).json(&body);
        Answer::to(create).await.refusal(400, "unknown_field");
    }
    // Neither can the operations for links.
    for verb in ["link", "unlink"] {
        let request = program.request(Method::POST, &format!("{path}/{verb}"));
        Answer::to(request.json(&json!({ "user_id": other.user_id }))).await.refusal(403, "permission_denied");
    }
    // Replacing a record keeps its link.
    let staff = app.staff();
    let change = staff.patient_update().patient_id(own.id).body(unchanged(&own));
    assert_eq!(granted(change.send().await, 200).user_id, Some(app.home().patient.user_id));
    granted(app.patient().patient_get().patient_id(own.id).send().await, 200);
}

#[tokio::test]
async fn a_record_is_the_persons_once_it_has_accepted() {
    let app = CoreApp::start().await;
    let (admin, home) = (app.admin(), app.home().id);
    let patient = app.patient_create(&admin, "Grace", "Sample").await.id;
    let specialist = app.specialist_create(&admin, "Dr. New").await.id;
    for (email, is_patient) in [("grace@example.org", true), ("new@example.org", false)] {
        // The request precedes the account.
        let invited = if is_patient {
            granted(admin.patient_link().patient_id(patient).body(to_email(email)).send().await, 201)
        } else {
            granted(admin.specialist_link().specialist_id(specialist).body(to_email(email)).send().await, 201)
        };
        let kind = if is_patient { InvitationKind::PatientLink } else { InvitationKind::SpecialistLink };
        assert_eq!((invited.kind, invited.user_id, invited.email.as_deref()), (kind, None, Some(email)));
        let person = app.actor(&signed_up(&app, "New", email).await);
        // The record is shown only to a person who has accepted.
        let me = Answer::to(person.request(Method::GET, "/v1/me")).await;
        assert!(!me.body.contains("Grace") && !me.body.contains("patient_id"), "{}", me.body);
        let read = granted(admin.patient_get().patient_id(patient).send().await, 200);
        assert_eq!(read.user_id.is_some(), !is_patient, "not before it is accepted");

        let membership = granted(person.me_invitation_accept().invitation_id(invited.id).send().await, 200);
        assert_eq!(membership.role.to_string(), if is_patient { "patient" } else { "specialist" });
        let me = granted(person.in_organization(home).me_get().send().await, 200);
        let records = if is_patient { (Some(patient), None) } else { (None, Some(specialist)) };
        assert_eq!((me.patient_id, me.specialist_id), records);
    }
    let read = granted(admin.patient_get().patient_id(patient).send().await, 200);
    assert_eq!(read.version, 2, "a change like others");
}

#[tokio::test]
async fn an_unlinked_login_sees_nothing_from_the_next_request_on() {
    let app = CoreApp::start().await;
    let second = app.second_core().await;
    let own = app.patient_record().await;
    let (admin, patient, specialist) = (app.admin(), app.patient(), app.specialist());
    let there = patient.at(&second.url());
    granted(there.patient_get().patient_id(own.id).send().await, 200);
    let body = BeginImpersonation { minutes: None, reason: "A test".to_owned() };
    let token = granted(admin.patient_impersonate().patient_id(own.id).body(body).send().await, 201).token;
    granted(admin.holding(&token).patient_get().patient_id(own.id).send().await, 200);

    granted(admin.patient_unlink().patient_id(own.id).send().await, 204);
    refused(patient.patient_get().patient_id(own.id).send().await, 404, "patient_not_found");
    until("the other process has heard", CoreApp::HEARD, || async {
        there.patient_get().patient_id(own.id).send().await.is_err().then_some(())
    })
    .await;
    until("nobody acts as the patient any more", CoreApp::HEARD, || async {
        let answer = Answer::to(admin.holding(&token).request(Method::GET, "/v1/me")).await;
        (answer.status.as_u16() == 401).then_some(())
    })
    .await;
    refused(admin.patient_unlink().patient_id(own.id).send().await, 409, "patient_has_no_user");
    refused(admin.patient_unlink().patient_id(4711).send().await, 404, "patient_not_found");

    let record = app.home().specialist_id;
    granted(admin.specialist_unlink().specialist_id(record).send().await, 204);
    assert_eq!(granted(specialist.me_get().send().await, 200).specialist_id, None);
    refused(admin.specialist_unlink().specialist_id(record).send().await, 409, "specialist_has_no_user");
    refused(admin.specialist_unlink().specialist_id(4711).send().await, 404, "specialist_not_found");
    // Both stay members.
    let members = granted(admin.member_list().organization_id(app.home().id).send().await, 200).data;
    assert_eq!(members.len(), 4);
}

#[tokio::test]
async fn a_login_is_one_record_and_a_record_one_login() {
    let app = CoreApp::start().await;
    let (admin, home) = (app.admin(), app.home());
    let own = app.patient_record().await;
    let twin = app.patient_create(&admin, "Twin", "Own").await.id;
    let other = app.specialist_create(&admin, "Dr. Twin").await.id;
    let link = async |patient: i64, body: LinkRecord| admin.patient_link().patient_id(patient).body(body).send().await;
    let treat =
        async |record: i64, body: LinkRecord| admin.specialist_link().specialist_id(record).body(body).send().await;
    refused(link(own.id, to_email("x@example.org")).await, 409, "record_already_linked");
    refused(treat(home.specialist_id, to_email("x@example.org")).await, 409, "record_already_linked");
    refused(link(twin, to_member(home.patient.user_id)).await, 409, "patient_user_taken");
    refused(treat(other, to_member(home.specialist.user_id)).await, 409, "specialist_user_taken");
    // A record requires its role.
    refused(link(twin, to_member(home.staff.user_id)).await, 409, "member_role_conflict");
    refused(treat(other, to_member(home.admin.user_id)).await, 409, "member_role_conflict");
    for stranger in [app.away().patient.user_id, 999_999] {
        let refusal = refused(link(twin, to_member(stranger)).await, 422, "validation_failed");
        assert_eq!(refusal.fields(), [("/user_id", "unknown_reference")]);
        let refusal = refused(treat(other, to_member(stranger)).await, 422, "validation_failed");
        assert_eq!(refusal.fields(), [("/user_id", "unknown_reference")]);
    }
    refused(link(4711, to_email("x@example.org")).await, 404, "patient_not_found");
    refused(treat(4711, to_email("x@example.org")).await, 404, "specialist_not_found");
    let theirs = app.patient_create(&app.other_admin(), "Far", "Away").await.id;
    refused(link(theirs, to_email("x@example.org")).await, 404, "patient_not_found");
    for actor in [app.staff(), app.specialist(), app.patient()] {
        let body = to_email("x@example.org");
        refused(actor.patient_link().patient_id(twin).body(body.clone()).send().await, 403, "permission_denied");
        refused(actor.patient_unlink().patient_id(own.id).send().await, 403, "permission_denied");
        refused(actor.specialist_link().specialist_id(other).body(body).send().await, 403, "permission_denied");
        let unlink = actor.specialist_unlink().specialist_id(home.specialist_id).send().await;
        refused(unlink, 403, "permission_denied");
    }
    assert_eq!(app.count("select count(*) from invitations where status = 'pending'").await, 0);
}

#[tokio::test]
async fn what_changed_since_it_was_asked_for_counts_when_it_is_accepted() {
    let app = CoreApp::start().await;
    let (admin, home) = (app.admin(), app.home().id);
    let ana = app.actor(&signed_up(&app, "Ana", "ana@example.org").await);
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    let asked = granted(admin.patient_link().patient_id(patient).body(to_email("ana@example.org")).send().await, 201);
    let accept = || ana.me_invitation_accept().invitation_id(asked.id).send();
    // Another user has accepted first.
    let faster = app.member_add(Role::Patient).await;
    app.patient_link(&admin, patient, &faster).await;
    refused(accept().await, 409, "record_already_linked");
    assert_eq!(granted(ana.me_get().send().await, 200).memberships.len(), 0, "all of it or nothing");
    granted(admin.patient_unlink().patient_id(patient).send().await, 204);
    // The person has become a member with another role.
    let joining = invite(&admin, home, "ana@example.org", MemberRole::Staff).await.id;
    granted(ana.me_invitation_accept().invitation_id(joining).send().await, 200);
    refused(accept().await, 409, "member_role_conflict");
    let body = UpdateMember { role: MemberRole::Patient };
    granted(admin.member_update().organization_id(home).user_id(ana.person().user_id).body(body).send().await, 200);
    // The person is linked to another record.
    let second = app.patient_create(&admin, "Ann", "Second").await.id;
    app.patient_link(&admin, second, ana.person()).await;
    refused(accept().await, 409, "patient_user_taken");
    granted(admin.patient_unlink().patient_id(second).send().await, 204);
    // A deleted record can't be accepted.
    let gone = app.patient_create(&admin, "Ann", "Gone").await.id;
    let of_gone = granted(admin.patient_link().patient_id(gone).body(to_email("ana@example.org")).send().await, 201);
    granted(admin.patient_delete().patient_id(gone).send().await, 204);
    let late = ana.me_invitation_accept().invitation_id(of_gone.id).send().await;
    refused(late, 404, "invitation_not_found");
    granted(accept().await, 200);
    let me = granted(ana.in_organization(home).me_get().send().await, 200);
    assert_eq!(me.patient_id, Some(patient));
}

#[tokio::test]
async fn a_deleted_record_frees_its_login() {
    let app = CoreApp::start().await;
    let (admin, specialist) = (app.admin(), app.specialist());
    let other = app.specialist_create(&admin, "Dr. Other").await.id;
    granted(admin.specialist_delete().specialist_id(app.home().specialist_id).send().await, 204);
    app.specialist_link(&admin, other, specialist.person()).await;
    assert_eq!(granted(specialist.me_get().send().await, 200).specialist_id, Some(other));
}

#[tokio::test]
async fn one_of_email_and_user_id_says_who_is_meant() {
    let app = CoreApp::start().await;
    let patient = app.patient_create(&app.admin(), "Ann", "Lee").await.id;
    let member = app.home().patient.user_id;
    for body in [
        LinkRecord { email: None, user_id: None },
        LinkRecord { email: Some("ana@example.org".to_owned()), user_id: Some(member) },
    ] {
        let link = app.admin().patient_link().patient_id(patient).body(body).send().await;
        assert_eq!(refused(link, 422, "validation_failed").fields(), [("/email", "one_of")]);
    }
    // A member is recognized by its address and by its id.
    let person = signed_up(&app, "Ana", "ana@example.org").await;
    app.membership_add(&person, app.home().id, Role::Staff).await;
    let link = app.admin().patient_link().patient_id(patient).body(to_email("ana@example.org")).send().await;
    refused(link, 409, "member_role_conflict");
    let body = ConnectUser { email: Some("ana@example.org".to_owned()), user_id: None, role: MemberRole::Patient };
    let connect = app.admin().member_connect().organization_id(app.home().id).body(body).send().await;
    refused(connect, 409, "already_member");
}
