//! `/v1/me`: the caller's account, its current organization, and tokens for Telemetry.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{TimeDelta, Utc};
use restartix_sdk::core::types::{Role, SwitchOrganization};
use serde_json::Value;
use test_support::{Clinic, CoreApp, Role as Seeded, granted, refused};

#[tokio::test]
async fn me_says_who_calls_and_what_they_may_do() {
    let app = CoreApp::start().await;
    let me = granted(app.staff().me_get().send().await, 200);
    let staff = (app.home().staff.user_id, Some(app.home().id), Some(Role::Staff));
    assert_eq!((me.id, me.organization_id, me.role), staff);
    assert!(!me.superadmin);
    let memberships: Vec<_> = me.memberships.iter().map(|m| (m.organization_id, m.role)).collect();
    assert_eq!(memberships, [(app.home().id, Role::Staff)]);
    assert!(me.permissions.contains(&"patient_write".to_owned()), "{:?}", me.permissions);
    assert!(!me.permissions.contains(&"clinical_notes".to_owned()), "{:?}", me.permissions);
    assert!(!me.permissions.contains(&"appointment_delete".to_owned()), "{:?}", me.permissions);

    let me = granted(app.specialist().me_get().send().await, 200);
    assert_eq!(
        (me.role, me.specialist_id, me.patient_id),
        (Some(Role::Specialist), Some(app.home().specialist_id), None)
    );
    assert!(me.permissions.contains(&"clinical_notes".to_owned()), "{:?}", me.permissions);

    let record = app.patient_record().await;
    let me = granted(app.patient().me_get().send().await, 200);
    assert_eq!((me.role, me.patient_id), (Some(Role::Patient), Some(record.id)));
}

#[tokio::test]
async fn a_superadmin_stands_above_organizations_until_one_is_named() {
    let app = CoreApp::start().await;
    let superadmin = app.superadmin();
    let me = granted(superadmin.me_get().send().await, 200);
    assert_eq!((me.superadmin, me.role, me.organization_id), (true, Some(Role::Superadmin), None));
    refused(superadmin.patient_list().send().await, 403, "organization_required");
    let inside = superadmin.in_organization(app.home().id);
    assert_eq!(granted(inside.me_get().send().await, 200).organization_id, Some(app.home().id));
    refused(superadmin.in_organization(4711).me_get().send().await, 404, "organization_not_found");

    // A named organization restricts a superadmin, too.
    let here = app.patient_create(&app.admin(), "Ann", "Here").await;
    let there = app.patient_create(&app.other_admin(), "Tom", "There").await;
    assert_eq!(granted(inside.patient_get().patient_id(here.id).send().await, 200).first_name, "Ann");
    refused(inside.patient_get().patient_id(there.id).send().await, 404, "patient_not_found");
}

#[tokio::test]
async fn switching_holds_for_the_requests_that_follow() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    app.membership_add(staff.person(), app.away().id, Seeded::Admin).await;
    // The membership was inserted by SQL, so it is noticed within a second.
    test_support::eventually("the membership is known", CoreApp::PATIENCE, || async {
        granted(staff.me_get().send().await, 200).memberships.len() == 2
    })
    .await;

    let body = SwitchOrganization { organization_id: app.away().id };
    let me = granted(staff.me_organization_switch().body(body).send().await, 200);
    assert_eq!((me.organization_id, me.role), (Some(app.away().id), Some(Role::Admin)));
    let me = granted(staff.me_get().send().await, 200);
    assert_eq!((me.organization_id, me.role), (Some(app.away().id), Some(Role::Admin)));
    // The header takes precedence.
    let me = granted(staff.in_organization(app.home().id).me_get().send().await, 200);
    assert_eq!((me.organization_id, me.role), (Some(app.home().id), Some(Role::Staff)));
}

#[tokio::test]
async fn switching_needs_a_membership() {
    let app = CoreApp::start().await;
    let away = SwitchOrganization { organization_id: app.away().id };
    refused(app.staff().me_organization_switch().body(away).send().await, 403, "not_a_member");
    let nowhere = SwitchOrganization { organization_id: 4711 };
    refused(app.staff().me_organization_switch().body(nowhere.clone()).send().await, 403, "not_a_member");
    refused(app.superadmin().me_organization_switch().body(nowhere).send().await, 404, "organization_not_found");
    let me = granted(app.staff().me_get().send().await, 200);
    assert_eq!(me.organization_id, Some(app.home().id), "a refused switch changes nothing");
}

#[tokio::test]
async fn telemetry_accepts_the_token_that_core_gives() {
    let clinic = Clinic::start().await;
    let app = &clinic.core;
    let record = app.patient_record().await;
    let patient = app.patient();
    let token = granted(patient.me_telemetry_token_create().send().await, 201);
    let lives = token.expires_at - Utc::now();
    assert!(lives > TimeDelta::minutes(9) && lives <= TimeDelta::minutes(10), "{lives}");

    let payload = URL_SAFE_NO_PAD.decode(token.token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(claims["sub"], app.home().patient.user_id.to_string());
    assert_eq!((&claims["org"], &claims["patient_id"]), (&app.home().id.into(), &record.id.into()));
    assert_eq!((&claims["role"], &claims["aud"]), (&"patient".into(), &"restartix-telemetry".into()));

    granted(clinic.telemetry.client(&token.token).consent_get().send().await, 200);
    // Telemetry does not accept a session token.
    refused(clinic.telemetry.client(patient.token()).consent_get().send().await, 401, "unauthenticated");

    refused(app.superadmin().me_telemetry_token_create().send().await, 403, "organization_required");
}
