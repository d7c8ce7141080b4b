//! `/v1/organizations/{organization_id}/settings`: settings of a clinic, and their transfer to Telemetry.

use restartix_sdk::core::types::{
    CreateOrganization, OrganizationSettings, UpdateOrganization, UpdateOrganizationSettings, UpdateRecordAccess,
};
use serde_json::json;
use test_support::{Actor, Answer, Clinic, CoreApp, TelemetryApp, granted, refused, until};

pub(crate) async fn settings(actor: &Actor, organization: i64) -> OrganizationSettings {
    granted(actor.organization_settings_get().organization_id(organization).send().await, 200)
}

/// Sets the period of access to records; returns the new settings.
pub(crate) async fn record_access_set(
    admin: &Actor,
    organization: i64,
    access: UpdateRecordAccess,
) -> OrganizationSettings {
    let version = settings(admin, organization).await.version;
    let body = UpdateOrganizationSettings { version, record_access: Some(access) };
    granted(admin.organization_settings_update().organization_id(organization).body(body).send().await, 200)
}

fn days(after_treatment: i32) -> UpdateRecordAccess {
    UpdateRecordAccess { after_treatment_days: Some(after_treatment), unlimited: None, after_no_show_days: None }
}

#[tokio::test]
async fn members_read_them_and_administrators_decide() {
    let app = CoreApp::start().await;
    let home = app.home().id;
    for actor in [app.admin(), app.specialist(), app.staff(), app.patient()] {
        let settings = settings(&actor, home).await;
        let access = &settings.record_access;
        assert_eq!((access.after_treatment_days, access.unlimited, access.after_no_show_days), (90, false, 7));
        assert_eq!((settings.organization_id, settings.version), (home, 1), "nobody has decided anything yet");
    }
    let decided = record_access_set(&app.admin(), home, days(30)).await;
    assert_eq!((decided.version, decided.record_access.after_treatment_days), (2, 30));
    assert_eq!(settings(&app.patient(), home).await, decided);

    // The second change was made from an outdated version.
    let stale = UpdateOrganizationSettings { version: 1, record_access: Some(days(60)) };
    let refusal = refused(
        app.admin().organization_settings_update().organization_id(home).body(stale).send().await,
        409,
        "stale_version",
    );
    assert_eq!(refusal.details["version"], 2);
    for actor in [app.specialist(), app.staff(), app.patient()] {
        let body = UpdateOrganizationSettings { version: 2, record_access: None };
        refused(
            actor.organization_settings_update().organization_id(home).body(body).send().await,
            403,
            "permission_denied",
        );
    }
    let away = app.admin().organization_settings_get().organization_id(app.away().id).send().await;
    refused(away, 404, "organization_not_found");
    assert_eq!(settings(&app.admin(), home).await, decided, "what was refused changed nothing");

    // A setting that is left out gets its default, and the audit row names only changed settings.
    let body = UpdateOrganizationSettings { version: 2, record_access: None };
    let reset = app.admin().organization_settings_update().organization_id(home).body(body).send().await;
    assert_eq!(granted(reset, 200).record_access.after_treatment_days, 90);
    let changed: Vec<Vec<String>> = sqlx::query_scalar(
        "select changed_fields from audit_log where entity_type = 'organization_settings' and outcome = 'succeeded'
         order by id",
    )
    .fetch_all(&mut app.owner().await)
    .await
    .unwrap();
    assert_eq!(changed, vec![vec!["record_access.after_treatment_days"]; 2]);
}

#[tokio::test]
async fn every_fault_is_named_and_of_two_who_decide_at_once_one_does() {
    let app = CoreApp::start().await;
    let (admin, home) = (app.admin(), app.home().id);
    let path = format!("/v1/organizations/{home}/settings");
    let put = |body| Answer::to(admin.request(reqwest::Method::PUT, &path).json(&body));
    for (body, status, faults) in [
        (json!({}), 422, vec!["/version"]),
        (json!({ "version": 1, "colour": "red" }), 400, vec!["/colour"]),
        (
            json!({ "version": 0, "record_access": { "after_treatment_days": -1, "after_no_show_days": 36_501 } }),
            422,
            vec!["/record_access/after_no_show_days", "/record_access/after_treatment_days", "/version"],
        ),
    ] {
        let code = if status == 400 { "unknown_field" } else { "validation_failed" };
        let refusal = put(body).await.refusal(status, code);
        assert_eq!(refusal.fields().iter().map(|(pointer, _)| *pointer).collect::<Vec<_>>(), faults);
    }
    let decide = |count| {
        let body = UpdateOrganizationSettings { version: 1, record_access: Some(days(count)) };
        admin.organization_settings_update().organization_id(home).body(body).send()
    };
    let (one, other) = tokio::join!(decide(10), decide(20));
    let (granted_one, refusal) = if one.is_ok() { (one, other) } else { (other, one) };
    refused(refusal, 409, "stale_version");
    assert_eq!(granted(granted_one, 200), settings(&admin, home).await);
}

/// Reads an organization's settings as Telemetry has them (revision, time zone); `None` if it has none.
async fn told(telemetry: &TelemetryApp, organization: i64) -> Option<(i64, String)> {
    sqlx::query_as("select revision, timezone from ops.organization_settings where organization_id = $1")
        .bind(organization)
        .fetch_optional(&mut telemetry.database.owner().await)
        .await
        .unwrap()
}

async fn knows(telemetry: &TelemetryApp, organization: i64, expected: (i64, &str)) {
    until(format!("Telemetry knows {expected:?} of {organization}"), CoreApp::HEARD, || async {
        (told(telemetry, organization).await == Some((expected.0, expected.1.to_owned()))).then_some(())
    })
    .await;
}

#[tokio::test]
async fn telemetry_is_told_of_each_change_and_of_new_organizations() {
    let Clinic { core: app, mut telemetry } = Clinic::start().await;
    let (admin, home) = (app.admin(), app.home().id);
    knows(&telemetry, home, (1, "Europe/Berlin")).await;
    let body = CreateOrganization {
        name: "New".to_owned(),
        slug: None,
        timezone: "Pacific/Auckland".to_owned(),
        clerk_organization_id: None,
        country: None,
    };
    let new = granted(app.superadmin().organization_create().body(body).send().await, 201).id;
    knows(&telemetry, new, (1, "Pacific/Auckland")).await;

    // Telemetry receives nothing while it is down, and the current settings afterwards.
    telemetry.server.stop().await;
    for timezone in ["Europe/Vienna", "Europe/Vienna", "Europe/Paris"] {
        let body = UpdateOrganization { name: "Home".to_owned(), timezone: timezone.to_owned(), country: None };
        granted(admin.organization_update().organization_id(home).body(body).send().await, 200);
    }
    record_access_set(&admin, home, days(30)).await;
    telemetry.server.start().await;
    knows(&telemetry, home, (4, "Europe/Paris")).await;
    until("nothing waits any more", CoreApp::HEARD, || async {
        let sql = "select count(*) from jobs where kind = 'organization_settings_push' and state <> 'succeeded'";
        (app.count(sql).await == 0).then_some(())
    })
    .await;
}
