//! Rights in an onboarding: who onboards, whom they invite, and what they learn of others.

use restartix_sdk::core::types::{
    ConnectUser, CreatePatient, LinkRecord, MemberRole, OnboardPatient, OnboardedPatient, Scope,
};
use test_support::{CoreApp, Role, granted, refused};

use crate::{
    invitation::signed_up,
    onboarding::{consents, onboard, only, to_email, whole},
    patient::complete,
    rls_attack::{Asker, DENIED, attempt},
};

#[tokio::test]
async fn a_program_onboards_and_learns_what_its_scopes_allow() {
    let app = CoreApp::start().await;
    let first = onboard(&app.staff(), whole()).await.patient.id;
    let writer = app.program(&[Scope::PatientsWrite]).await;
    let reader = app.program(&[Scope::PatientsRead, Scope::PatientsWrite]).await;
    let record = || CreatePatient { email: None, ..complete() };
    let hints =
        |answer: OnboardedPatient| answer.possible_duplicates.iter().map(|hint| hint.patient_id).collect::<Vec<_>>();
    let blind = granted(writer.patient_onboard().body(only(record())).send().await, 201);
    let own = blind.patient.id;
    assert!(hints(blind).is_empty(), "who may not read patients hears of none");
    let seeing = granted(reader.patient_onboard().body(only(record())).send().await, 201);
    assert_eq!(hints(seeing), [first, own]);
    let taken = writer.patient_onboard().body(whole()).send().await;
    assert!(refused(taken, 409, "patient_email_taken").details["patient_id"].is_null());
    // A program invites, and no person is said to have done so.
    let body = OnboardPatient { login: Some(to_email("ann@example.org")), ..only(CoreApp::new_patient("Ann", "Lee")) };
    let invitation = granted(writer.patient_onboard().body(body).send().await, 201).invitation.expect("an invitation");
    let ann = app.actor(&signed_up(&app, "Ann", "ann@example.org").await);
    granted(ann.me_invitation_accept().invitation_id(invitation.id).send().await, 200);

    for scopes in [vec![Scope::PatientsRead], vec![Scope::AppointmentsWrite]] {
        let program = app.program(&scopes).await;
        refused(program.patient_onboard().body(only(record())).send().await, 403, "permission_denied");
    }
    for actor in [app.specialist(), app.patient()] {
        refused(actor.patient_onboard().body(only(record())).send().await, 403, "permission_denied");
    }
}

#[tokio::test]
async fn members_are_named_by_administrators_alone() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let member = app.member_add(Role::Patient).await;
    let ann = || only(CoreApp::new_patient("Ann", "Lee"));
    let to_member = |user| Some(LinkRecord { email: None, user_id: Some(user) });
    let body = || OnboardPatient { login: to_member(member.user_id), ..ann() };
    refused(staff.patient_onboard().body(body()).send().await, 403, "permission_denied");
    let writer = app.program(&[Scope::PatientsWrite]).await;
    refused(writer.patient_onboard().body(body()).send().await, 403, "permission_denied");
    let invitation = onboard(&admin, body()).await.invitation.expect("an invitation");
    assert_eq!((invitation.user_id, invitation.email), (Some(member.user_id), None));
    granted(app.actor(&member).me_invitation_accept().invitation_id(invitation.id).send().await, 200);
    refused(admin.patient_onboard().body(body()).send().await, 409, "patient_user_taken");
    let specialist = OnboardPatient { login: to_member(app.home().specialist.user_id), ..ann() };
    refused(admin.patient_onboard().body(specialist).send().await, 409, "member_role_conflict");

    // An address of a member with another role: an administrator sees the members, the front desk learns nothing of
    // them.
    let dora = signed_up(&app, "Dora", "dora@example.org").await;
    let connect = ConnectUser { email: Some("dora@example.org".to_owned()), user_id: None, role: MemberRole::Staff };
    let invited = granted(admin.member_connect().organization_id(app.home().id).body(connect).send().await, 201).id;
    granted(app.actor(&dora).me_invitation_accept().invitation_id(invited).send().await, 200);
    let body = || OnboardPatient { login: Some(to_email("dora@example.org")), ..ann() };
    refused(admin.patient_onboard().body(body()).send().await, 409, "member_role_conflict");
    let invitation = onboard(&staff, body()).await.invitation.expect("an invitation");
    let accept = app.actor(&dora).me_invitation_accept().invitation_id(invitation.id).send().await;
    refused(accept, 409, "member_role_conflict");
}

#[tokio::test]
async fn the_front_desk_invites_for_new_patients_alone() {
    let app = CoreApp::start().await;
    let standing = app.patient_create(&app.admin(), "Ann", "Lee").await.id;
    onboard(
        &app.staff(),
        OnboardPatient { login: Some(to_email("ann@example.org")), consents: consents(), ..only(complete()) },
    )
    .await;
    let mut restricted = app.database.app().await;
    let (home, user) = (app.home().id, app.home().staff.user_id);
    let invite = |patient: i64| {
        format!("select 1 from new_patient_invite({patient}, gen_random_uuid(), 'index', 'sealed', 'key', 1)")
    };
    for role in ["staff", "admin", "api_key", "specialist", "patient", ""] {
        let asker = Some(Asker { organization: home, user, role });
        assert_eq!(attempt(&mut restricted, asker, &invite(standing)).await, Ok(0), "{role}: a patient who was there");
        let read = attempt(&mut restricted, asker, "select 1 from consent_outbox").await;
        assert_eq!(read, Err(DENIED.to_owned()), "{role} reads consents");
        let backdated = format!(
            "insert into consent_outbox (organization_id, patient_id, id, purpose, granted, text_version, decided_at)
             values ({home}, {standing}, gen_random_uuid(), 'pose', true, '1', '2020-01-01')"
        );
        assert_eq!(attempt(&mut restricted, asker, &backdated).await, Err(DENIED.to_owned()), "{role} dates a consent");
    }
    for role in ["specialist", "patient", ""] {
        let asker = Some(Asker { organization: home, user, role });
        let sql = format!(
            "insert into consent_outbox (organization_id, patient_id, id, purpose, granted, text_version)
             values ({home}, {standing}, gen_random_uuid(), 'pose', true, '1')"
        );
        assert_eq!(attempt(&mut restricted, asker, &sql).await, Err(DENIED.to_owned()), "{role} records a consent");
    }
}
