//! The audit trail: a row a mutation, a row a record of protected health information that was read,
//! in the change's own transaction, and never changed again.

use std::collections::BTreeSet;

use restartix_sdk::core::types::{
    AppointmentTemplateInput, BeginImpersonation, BookAppointment, CancelAppointment, CancelAppointmentSeries,
    CancellationReason, ConnectUser, CreateApiKey, CreateOrganization, HoldAppointment, LinkRecord, MemberRole,
    RescheduleAppointment, Scope, SeriesScope, SpecialtyInput, SwitchOrganization, UpdateAppointment,
    UpdateAppointmentSeries, UpdateMember, UpdateOrganization, UpdateOrganizationSettings, UpdatePatient,
    UpdateRecordAccess,
};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor, FromRow, PgConnection};
use test_support::{Actor, CoreApp, Role, granted, in_days, refused};
use uuid::Uuid;

use crate::{
    patient::{complete, unchanged},
    waitlist::{offer, settled, wait, wish},
};

#[derive(Debug, Clone, PartialEq, FromRow)]
struct Row {
    id: Uuid,
    organization_id: i64,
    actor_kind: String,
    actor_user_id: Option<i64>,
    action: String,
    entity_type: String,
    entity_id: Option<String>,
    changed_fields: Vec<String>,
    operation_id: String,
    outcome: String,
    ip: Option<String>,
    user_agent: Option<String>,
}

async fn rows(database: &mut PgConnection) -> Vec<Row> {
    sqlx::query_as(
        "select l.id, l.organization_id, l.actor_kind, l.actor_user_id, l.action, l.entity_type, l.entity_id,
                l.changed_fields, l.operation_id, l.outcome, host(p.ip) as ip, p.user_agent
         from audit_log l left join audit_personal p on p.audit_id = l.id order by l.id",
    )
    .fetch_all(database)
    .await
    .unwrap()
}

/// Looks at the trail after each request.
struct Trail {
    database: PgConnection,
    seen: usize,
    operations: BTreeSet<String>,
}

impl Trail {
    async fn new(app: &CoreApp) -> Self {
        Self { database: app.owner().await, seen: 0, operations: BTreeSet::new() }
    }

    /// The rows that came since the last look.
    async fn next(&mut self) -> Vec<Row> {
        let new = rows(&mut self.database).await.split_off(self.seen);
        self.seen += new.len();
        new
    }

    /// Exactly one row came, and it says this.
    async fn one(
        &mut self,
        actor: &Actor,
        organization: i64,
        operation: &str,
        what: (&str, &str, String),
        changed: &[&str],
    ) {
        let new = self.next().await;
        let [row] = &new[..] else { panic!("{operation} leaves one row, not {new:#?}") };
        let (action, entity_type, entity_id) = what;
        let said = (row.action.as_str(), row.entity_type.as_str(), row.entity_id.as_deref());
        assert_eq!(said, (action, entity_type, Some(entity_id.as_str())), "{operation}");
        assert_eq!(
            (row.organization_id, row.actor_user_id),
            (organization, Some(actor.person().user_id)),
            "{operation}"
        );
        assert_eq!((row.actor_kind.as_str(), row.outcome.as_str()), ("user", "succeeded"), "{operation}");
        assert_eq!(row.operation_id, operation);
        assert_eq!(row.changed_fields, changed, "{operation}");
        assert_eq!(row.ip.as_deref(), Some("127.0.0.1"), "{operation}");
        assert!(row.user_agent.as_deref().is_some_and(|agent| agent.starts_with("restartix-sdk-rust/")), "{row:?}");
        self.operations.insert(operation.to_owned());
    }

    /// These rows came, in this order, and each is of this organization.
    async fn several(&mut self, operation: &str, organization: i64, expected: &[(&str, &str, i64)]) {
        let new = self.next().await;
        let said: Vec<_> = new
            .iter()
            .map(|row| (&*row.action, &*row.entity_type, row.entity_id.clone().unwrap_or_default()))
            .collect();
        let expected: Vec<_> = expected.iter().map(|(action, entity, id)| (*action, *entity, id.to_string())).collect();
        assert_eq!(said, expected, "{operation}");
        for row in &new {
            let of = (row.operation_id.as_str(), row.organization_id, row.outcome.as_str());
            assert_eq!(of, (operation, organization, "succeeded"), "{row:#?}");
        }
        self.operations.insert(operation.to_owned());
    }

    /// A row of a series came and one of each of these appointments.
    async fn series(&mut self, operation: &str, (action, series): (&str, i64), (each, appointments): (&str, &[i64])) {
        let new = self.next().await;
        let said: BTreeSet<_> =
            new.iter().map(|row| (&*row.action, &*row.entity_type, row.entity_id.clone())).collect();
        let mut expected = BTreeSet::from([(action, "appointment_series", Some(series.to_string()))]);
        expected.extend(appointments.iter().map(|id| (each, "appointment", Some(id.to_string()))));
        assert_eq!((said, new.len()), (expected, appointments.len() + 1), "{operation}");
        assert!(new.iter().all(|row| row.operation_id == operation && row.outcome == "succeeded"), "{new:#?}");
        self.operations.insert(operation.to_owned());
    }
}

/// The operations of the specification that `wanted` picks.
fn operations(app: &CoreApp, wanted: impl Fn(&str, &Value) -> bool) -> BTreeSet<String> {
    let document: Value = serde_json::from_slice(&app.server.run("openapi")).unwrap();
    let paths = document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap());
    let picked = paths.filter(|(method, operation)| operation["operationId"].is_string() && wanted(method, operation));
    picked.map(|(_, operation)| operation["operationId"].as_str().unwrap().to_owned()).collect()
}

async fn schedule_mutations(app: &CoreApp, specialist: i64, trail: &mut Trail) {
    let (admin, home) = (app.admin(), app.home().id);
    let mut schedule = CoreApp::new_schedule();
    schedule.daily_cap = Some(5);
    app.schedule_set(&admin, specialist, schedule.clone()).await;
    let what = || ("updated", "specialist", specialist.to_string());
    let fields = ["slot_minutes", "horizon_days", "daily_cap", "hours", "exceptions"];
    trail.one(&admin, home, "specialist_schedule_update", what(), &fields).await;
    (schedule.version, schedule.daily_cap) = (2, None);
    app.schedule_set(&admin, specialist, schedule).await;
    trail.one(&admin, home, "specialist_schedule_update", what(), &["daily_cap"]).await;
}

async fn template_mutations(app: &CoreApp, trail: &mut Trail) {
    let (admin, home) = (app.admin(), app.home().id);
    let body = CoreApp::new_appointment_template("Talk");
    let template = app.appointment_template_create(&admin, body.clone()).await.id;
    let what = |action| (action, "appointment_template", template.to_string());
    trail.one(&admin, home, "appointment_template_create", what("created"), &[]).await;
    // The rest is as it was.
    let body = AppointmentTemplateInput { duration_minutes: body.duration_minutes + 5, ..body };
    let update = admin.appointment_template_update().appointment_template_id(template).body(body);
    granted(update.send().await, 200);
    trail.one(&admin, home, "appointment_template_update", what("updated"), &["duration_minutes"]).await;
    granted(admin.appointment_template_delete().appointment_template_id(template).send().await, 204);
    trail.one(&admin, home, "appointment_template_delete", what("deleted"), &[]).await;
}

async fn scheduling_mutations(app: &CoreApp, patient: i64, trail: &mut Trail) {
    booking_mutations(app, patient, trail).await;
    series_mutations(app, patient, trail).await;
    waitlist_mutations(app, patient, trail).await;
}

/// A series leaves a row of its own and one for each of its appointments.
async fn series_mutations(app: &CoreApp, patient: i64, trail: &mut Trail) {
    let (staff, specialist) = (app.staff(), app.home().specialist_id);
    let body = CoreApp::new_series(specialist, patient, in_days(20, 12), CoreApp::daily(2));
    let series = granted(staff.appointment_series_create().body(body).send().await, 201).series;
    let ids: Vec<_> = series.appointments.iter().map(|appointment| appointment.id).collect();
    trail.series("appointment_series_create", ("created", series.id), ("created", &ids)).await;
    let first = &series.appointments[0];
    let body = UpdateAppointmentSeries {
        appointment_id: first.id,
        ended_at: first.ended_at,
        specialist_id: first.specialist_id,
        specialty_id: None,
        started_at: first.started_at,
        title: Some("Knee".to_owned()),
        version: series.version,
    };
    let update = staff.appointment_series_update().appointment_series_id(series.id).scope(SeriesScope::All);
    granted(update.body(body).send().await, 200);
    trail.series("appointment_series_update", ("updated", series.id), ("updated", &ids)).await;
    let body = CancelAppointmentSeries { appointment_id: Some(ids[1]), reason: CancellationReason::Other };
    let cancel = staff.appointment_series_cancel().appointment_series_id(series.id).scope(SeriesScope::One);
    granted(cancel.body(body).send().await, 200);
    trail.series("appointment_series_cancel", ("cancelled", series.id), ("cancelled", &ids[1..])).await;
}

async fn booking_mutations(app: &CoreApp, patient: i64, trail: &mut Trail) {
    let (staff, home, specialist) = (app.staff(), app.home().id, app.home().specialist_id);
    app.works_always(specialist).await;
    let slot = |days| HoldAppointment {
        specialist_id: specialist,
        patient_id: Some(patient),
        template_id: None,
        started_at: in_days(days, 9),
    };
    let hold = granted(staff.appointment_hold_create().body(slot(3)).send().await, 201).id;
    let what = |action, id: i64| (action, "appointment", id.to_string());
    trail.one(&staff, home, "appointment_hold_create", what("held", hold), &[]).await;
    granted(staff.appointment_hold_delete().appointment_id(hold).send().await, 204);
    trail.one(&staff, home, "appointment_hold_delete", what("released", hold), &[]).await;
    let book = |days| BookAppointment {
        hold_id: None,
        specialist_id: Some(specialist),
        patient_id: Some(patient),
        template_id: None,
        started_at: Some(in_days(days, 9)),
        title: None,
    };
    let kept = granted(staff.appointment_book().body(book(4)).send().await, 201).id;
    trail.one(&staff, home, "appointment_book", what("booked", kept), &[]).await;
    let body = RescheduleAppointment { started_at: in_days(5, 9), specialist_id: None, version: None };
    granted(staff.appointment_reschedule().appointment_id(kept).body(body).send().await, 200);
    trail.one(&staff, home, "appointment_reschedule", what("rescheduled", kept), &[]).await;
    granted(staff.appointment_confirm().appointment_id(kept).send().await, 200);
    trail.one(&staff, home, "appointment_confirm", what("confirmed", kept), &[]).await;
    granted(staff.appointment_start().appointment_id(kept).send().await, 200);
    trail.one(&staff, home, "appointment_start", what("started", kept), &[]).await;
    granted(staff.appointment_complete().appointment_id(kept).send().await, 200);
    trail.one(&staff, home, "appointment_complete", what("completed", kept), &[]).await;
    let missed = granted(staff.appointment_book().body(book(6)).send().await, 201).id;
    trail.one(&staff, home, "appointment_book", what("booked", missed), &[]).await;
    granted(staff.appointment_no_show().appointment_id(missed).send().await, 200);
    trail.one(&staff, home, "appointment_no_show", what("missed", missed), &[]).await;
    let feed = granted(staff.calendar_feed_create().send().await, 201).feed.id;
    trail.one(&staff, home, "calendar_feed_create", ("created", "calendar_feed", feed.to_string()), &[]).await;
    granted(staff.calendar_feed_delete().send().await, 204);
    trail.one(&staff, home, "calendar_feed_delete", ("revoked", "calendar_feed", feed.to_string()), &[]).await;
}

async fn waitlist_mutations(app: &CoreApp, patient: i64, trail: &mut Trail) {
    let (admin, staff, home) = (app.admin(), app.staff(), app.home().id);
    let away = app.specialist_create(&admin, "Dr. Away").await.id;
    trail.next().await;
    let what = |action, id: i64| (action, "waitlist_entry", id.to_string());
    let entry = wait(&staff, wish(away, Some(patient), in_days(7, 9), in_days(7, 10))).await.id;
    trail.one(&staff, home, "waitlist_entry_create", what("created", entry), &[]).await;
    granted(staff.waitlist_entry_delete().waitlist_entry_id(entry).send().await, 204);
    trail.one(&staff, home, "waitlist_entry_delete", what("deleted", entry), &[]).await;
    // What is open is offered by the service, and accepted it is booked: a row for the entry, and one for the
    // appointment.
    let entry = wait(&staff, wish(app.home().specialist_id, Some(patient), in_days(7, 9), in_days(7, 10))).await.id;
    let offered = offer(app, entry).await.appointment_id;
    settled(app).await;
    assert_eq!(trail.next().await.len(), 3, "created and offered");
    granted(staff.waitlist_entry_accept().waitlist_entry_id(entry).send().await, 200);
    let rows = trail.next().await;
    let said: Vec<_> =
        rows.iter().map(|row| (row.action.as_str(), row.entity_type.as_str(), row.entity_id.clone())).collect();
    let of = |id: i64| Some(id.to_string());
    assert_eq!(said, [("booked", "appointment", of(offered)), ("accepted", "waitlist_entry", of(entry))]);
    assert!(
        rows.iter().all(|row| row.operation_id == "waitlist_entry_accept" && row.outcome == "succeeded"),
        "{rows:?}"
    );
    trail.operations.insert("waitlist_entry_accept".to_owned());
}

/// Asserts that the answer to an invitation is recorded in the organization that made it, with the person who acted.
async fn member_mutations(app: &CoreApp, trail: &mut Trail) {
    let (admin, home, away) = (app.admin(), app.home().id, app.away());
    let somebody = app.actor(&away.staff);
    let id = somebody.person().user_id;
    // Who was no member before is found by id by whoever runs the platform alone.
    let platform = app.superadmin().in_organization(home);
    let connect = async |trail: &mut Trail, role| {
        let body = ConnectUser { email: None, user_id: Some(id), role };
        let invited = granted(platform.member_connect().organization_id(home).body(body).send().await, 201).id;
        trail.several("member_connect", home, &[("created", "invitation", invited), ("invited", "user", id)]).await;
        invited
    };
    let invited = connect(trail, MemberRole::Staff).await;
    granted(somebody.me_invitation_decline().invitation_id(invited).send().await, 204);
    trail.one(&somebody, home, "me_invitation_decline", ("declined", "invitation", invited.to_string()), &[]).await;
    let invited = connect(trail, MemberRole::Staff).await;
    granted(admin.invitation_delete().organization_id(home).invitation_id(invited).send().await, 204);
    trail.one(&admin, home, "invitation_delete", ("revoked", "invitation", invited.to_string()), &[]).await;
    let invited = connect(trail, MemberRole::Staff).await;
    granted(somebody.me_invitation_accept().invitation_id(invited).send().await, 200);
    let rows = [("accepted", "invitation", invited), ("created", "membership", id)];
    trail.several("me_invitation_accept", home, &rows).await;
    let body = UpdateMember { role: MemberRole::Specialist };
    granted(admin.member_update().organization_id(home).user_id(id).body(body).send().await, 200);
    trail.one(&admin, home, "member_update", ("updated", "membership", id.to_string()), &["role"]).await;
    granted(admin.member_delete().organization_id(home).user_id(id).send().await, 204);
    trail.one(&admin, home, "member_delete", ("deleted", "membership", id.to_string()), &[]).await;
}

/// A link names both people, who asked for it and whose the record is; so does its end.
async fn link_mutations(app: &CoreApp, trail: &mut Trail) {
    let (admin, home) = (app.admin(), app.home().id);
    let by = admin.person().user_id;
    let patient = app.patient_create(&admin, "Ann", "Linked").await.id;
    let specialist = app.specialist_create(&admin, "Dr. Linked").await.id;
    let (own, treating) = (app.member_add(Role::Patient).await, app.member_add(Role::Specialist).await);
    trail.next().await;
    for (kind, record, person) in [("patient", patient, own), ("specialist", specialist, treating)] {
        let (user, is_patient) = (person.user_id, kind == "patient");
        let body = LinkRecord { email: None, user_id: Some(user) };
        let invited = if is_patient {
            granted(admin.patient_link().patient_id(record).body(body).send().await, 201).id
        } else {
            granted(admin.specialist_link().specialist_id(record).body(body).send().await, 201).id
        };
        let rows = [("created", "invitation", invited), ("link_requested", kind, record), ("invited", "user", user)];
        trail.several(&format!("{kind}_link"), home, &rows).await;
        granted(app.actor(&person).me_invitation_accept().invitation_id(invited).send().await, 200);
        let linked = [
            ("accepted", "invitation", invited),
            ("linked", kind, record),
            ("linked", "user", user),
            ("link_granted", "user", by),
        ];
        trail.several("me_invitation_accept", home, &linked).await;
        if is_patient {
            granted(admin.patient_unlink().patient_id(record).send().await, 204);
        } else {
            granted(admin.specialist_unlink().specialist_id(record).send().await, 204);
        }
        let rows = [("unlinked", kind, record), ("unlinked", "user", user)];
        trail.several(&format!("{kind}_unlink"), home, &rows).await;
    }
}

#[tokio::test]
async fn every_mutation_leaves_one_row() {
    let app = CoreApp::start().await;
    let (admin, staff, superadmin) = (app.admin(), app.staff(), app.superadmin());
    let (home, mut trail) = (app.home().id, Trail::new(&app).await);

    let body = CreateOrganization {
        name: "New".to_owned(),
        slug: None,
        timezone: "Europe/Berlin".to_owned(),
        clerk_organization_id: None,
    };
    let new = granted(superadmin.organization_create().body(body).send().await, 201).id;
    trail.one(&superadmin, 0, "organization_create", ("created", "organization", new.to_string()), &[]).await;
    let body = UpdateOrganization { name: "Home".to_owned(), timezone: "Europe/Berlin".to_owned() };
    granted(admin.organization_update().organization_id(home).body(body).send().await, 200);
    let what = ("updated", "organization", home.to_string());
    trail.one(&admin, home, "organization_update", what, &["name"]).await;
    let access = UpdateRecordAccess { after_treatment_days: Some(30), ..UpdateRecordAccess::default() };
    let body = UpdateOrganizationSettings { version: 1, record_access: Some(access) };
    granted(admin.organization_settings_update().organization_id(home).body(body).send().await, 200);
    let what = ("updated", "organization_settings", home.to_string());
    trail.one(&admin, home, "organization_settings_update", what, &["record_access.after_treatment_days"]).await;
    let body = SwitchOrganization { organization_id: home };
    granted(staff.me_organization_switch().body(body).send().await, 200);
    let what = ("updated", "user", staff.person().user_id.to_string());
    trail.one(&staff, home, "me_organization_switch", what, &["current_organization_id"]).await;

    let body = |name: &str| SpecialtyInput { name: name.to_owned(), description: None };
    let specialty = granted(admin.specialty_create().body(body("Knees")).send().await, 201).id;
    trail.one(&admin, home, "specialty_create", ("created", "specialty", specialty.to_string()), &[]).await;
    granted(admin.specialty_update().specialty_id(specialty).body(body("Hips")).send().await, 200);
    let what = ("updated", "specialty", specialty.to_string());
    trail.one(&admin, home, "specialty_update", what, &["name"]).await;
    granted(admin.specialty_delete().specialty_id(specialty).send().await, 204);
    trail.one(&admin, home, "specialty_delete", ("deleted", "specialty", specialty.to_string()), &[]).await;

    let specialist = app.specialist_create(&admin, "Dr. Ada").await.id;
    trail.one(&admin, home, "specialist_create", ("created", "specialist", specialist.to_string()), &[]).await;
    let body = CoreApp::new_specialist("Dr. A.");
    granted(admin.specialist_update().specialist_id(specialist).body(body).send().await, 200);
    let what = ("updated", "specialist", specialist.to_string());
    trail.one(&admin, home, "specialist_update", what, &["name"]).await;
    schedule_mutations(&app, specialist, &mut trail).await;
    granted(admin.specialist_delete().specialist_id(specialist).send().await, 204);
    trail.one(&admin, home, "specialist_delete", ("deleted", "specialist", specialist.to_string()), &[]).await;

    template_mutations(&app, &mut trail).await;
    let patient = granted(staff.patient_create().body(complete()).send().await, 201);
    trail.one(&staff, home, "patient_create", ("created", "patient", patient.id.to_string()), &[]).await;
    let change = UpdatePatient { phone: None, last_name: "Moe".to_owned(), ..unchanged(&patient) };
    granted(staff.patient_update().patient_id(patient.id).body(change).send().await, 200);
    let what = ("updated", "patient", patient.id.to_string());
    trail.one(&staff, home, "patient_update", what, &["last_name", "phone"]).await;

    let booked = app.appointment_create(&staff, app.home().specialist_id, patient.id, in_days(2, 9)).await;
    trail.one(&staff, home, "appointment_create", ("created", "appointment", booked.id.to_string()), &[]).await;
    let change = UpdateAppointment {
        ended_at: booked.ended_at,
        patient_id: patient.id,
        specialist_id: booked.specialist_id,
        specialty_id: None,
        started_at: booked.started_at,
        title: Some("Moved".to_owned()),
        version: 1,
    };
    granted(staff.appointment_update().appointment_id(booked.id).body(change).send().await, 200);
    let what = ("updated", "appointment", booked.id.to_string());
    trail.one(&staff, home, "appointment_update", what, &["title"]).await;
    let body = CancelAppointment { reason: CancellationReason::Other };
    granted(staff.appointment_cancel().appointment_id(booked.id).body(body).send().await, 200);
    trail.one(&staff, home, "appointment_cancel", ("cancelled", "appointment", booked.id.to_string()), &[]).await;
    granted(admin.appointment_delete().appointment_id(booked.id).send().await, 204);
    trail.one(&admin, home, "appointment_delete", ("deleted", "appointment", booked.id.to_string()), &[]).await;
    scheduling_mutations(&app, patient.id, &mut trail).await;
    let body = CreateApiKey { expires_at: None, name: "Key".to_owned(), scopes: vec![Scope::PatientsRead] };
    let key = granted(admin.api_key_create().organization_id(home).body(body).send().await, 201).api_key.id;
    trail.one(&admin, home, "api_key_create", ("created", "api_key", key.to_string()), &[]).await;
    granted(admin.api_key_rotate().organization_id(home).api_key_id(key).send().await, 201);
    trail.one(&admin, home, "api_key_rotate", ("rotated", "api_key", key.to_string()), &[]).await;
    granted(admin.api_key_delete().organization_id(home).api_key_id(key).send().await, 204);
    trail.one(&admin, home, "api_key_delete", ("revoked", "api_key", key.to_string()), &[]).await;

    member_mutations(&app, &mut trail).await;
    link_mutations(&app, &mut trail).await;
    let record = app.patient_record().await.id;
    trail.next().await;
    let body = BeginImpersonation { minutes: None, reason: "A test".to_owned() };
    let begun = granted(admin.patient_impersonate().patient_id(record).body(body).send().await, 201).impersonation.id;
    trail.one(&admin, home, "patient_impersonate", ("began", "impersonation", begun.to_string()), &[]).await;
    granted(admin.impersonation_delete().impersonation_id(begun).send().await, 204);
    trail.one(&admin, home, "impersonation_delete", ("ended", "impersonation", begun.to_string()), &[]).await;

    granted(staff.patient_delete().patient_id(patient.id).send().await, 204);
    trail.one(&staff, home, "patient_delete", ("deleted", "patient", patient.id.to_string()), &[]).await;

    let mut mutations = operations(&app, |method, _| method != "get");
    // Makes a token and changes nothing.
    mutations.remove("me_telemetry_token_create");
    // Reads what is too much for a query.
    mutations.remove("calendar_search");
    // Needs Daily; `video.rs` looks at what it leaves.
    mutations.remove("video_token_create");
    // Called by nobody that is known here; `clerk.rs` looks at what it leaves.
    mutations.remove("clerk_webhook_receive");
    // Leave more than one row, for what they do is done by a job; `gdpr/` looks at all of it.
    mutations.retain(|operation| !operation.starts_with("gdpr_") && operation != "me_delete");
    assert_eq!(trail.operations, mutations, "every operation that is no GET is tried here");
    assert_eq!(app.count("select count(*) from audit_outbox").await, i64::try_from(trail.seen).unwrap());
}

#[tokio::test]
async fn what_is_refused_leaves_no_row_of_success() {
    let app = CoreApp::start().await;
    let (staff, mut trail) = (app.staff(), Trail::new(&app).await);
    let patient = granted(staff.patient_create().body(complete()).send().await, 201);
    assert_eq!(trail.next().await.len(), 1);
    refused(staff.patient_create().body(complete()).send().await, 409, "patient_email_taken");
    let stale = UpdatePatient { version: 7, ..unchanged(&patient) };
    refused(staff.patient_update().patient_id(patient.id).body(stale).send().await, 409, "stale_version");
    refused(staff.patient_delete().patient_id(4711).send().await, 404, "patient_not_found");
    let far = CoreApp::new_appointment(app.away().specialist_id, patient.id, in_days(2, 9));
    refused(staff.appointment_create().body(far).send().await, 422, "validation_failed");
    let succeeded: Vec<Row> = trail.next().await.into_iter().filter(|row| row.outcome == "succeeded").collect();
    assert_eq!(succeeded, []);
}

#[tokio::test]
async fn each_record_that_is_disclosed_is_named() {
    let app = CoreApp::start().await;
    let (staff, mut trail) = (app.staff(), Trail::new(&app).await);
    let mut ids = Vec::new();
    for last_name in ["A", "B", "C"] {
        ids.push(app.patient_create(&staff, "Ann", last_name).await.id.to_string());
    }
    trail.next().await;
    let reads = |rows: Vec<Row>, operation: &str| -> Vec<Option<String>> {
        let (entity, reader) = match operation {
            "member_list" => ("membership", &app.home().admin),
            "invitation_list" => ("invitation", &app.home().admin),
            _ => ("patient", staff.person()),
        };
        for row in &rows {
            assert_eq!((row.action.as_str(), row.entity_type.as_str()), ("read", entity));
            assert_eq!((row.operation_id.as_str(), row.outcome.as_str()), (operation, "succeeded"));
            assert_eq!(row.actor_user_id, Some(reader.user_id));
        }
        rows.into_iter().map(|row| row.entity_id).collect()
    };
    granted(staff.patient_list().send().await, 200);
    assert_eq!(reads(trail.next().await, "patient_list"), ids.iter().cloned().map(Some).collect::<Vec<_>>());
    granted(staff.patient_list().page_size(1).page(2).send().await, 200);
    assert_eq!(reads(trail.next().await, "patient_list"), [Some(ids[1].clone())], "only what came out");
    granted(staff.patient_list().search("nobody").send().await, 200);
    assert_eq!(reads(trail.next().await, "patient_list"), [None], "a search that finds nothing is one too");
    granted(staff.patient_get().patient_id(ids[2].parse::<i64>().unwrap()).send().await, 200);
    assert_eq!(reads(trail.next().await, "patient_get"), [Some(ids[2].clone())]);

    let members = granted(app.admin().member_list().organization_id(app.home().id).send().await, 200).data;
    let members: Vec<_> = members.iter().map(|member| Some(member.user_id.to_string())).collect();
    assert_eq!(reads(trail.next().await, "member_list"), members);

    let home = app.home().id;
    let body = ConnectUser { email: Some("new@example.org".to_owned()), user_id: None, role: MemberRole::Staff };
    let invited = granted(app.admin().member_connect().organization_id(home).body(body).send().await, 201).id;
    trail.next().await;
    granted(app.admin().invitation_list().organization_id(home).send().await, 200);
    assert_eq!(reads(trail.next().await, "invitation_list"), [Some(invited.to_string())]);

    let mut disclosing = operations(&app, |method, operation| method == "get" && operation["x-phi"] == true);
    // An export names everything it holds; `gdpr/` looks at that.
    disclosing.retain(|operation| !operation.starts_with("gdpr_"));
    let tried = ["invitation_list", "member_list", "patient_get", "patient_list"].map(str::to_owned);
    assert_eq!(disclosing, tried.into(), "every disclosure is tried here");
    // What is no protected health information leaves no row.
    granted(staff.specialist_list().send().await, 200);
    granted(staff.appointment_list().send().await, 200);
    granted(staff.me_get().send().await, 200);
    assert_eq!(trail.next().await, []);
}

#[tokio::test]
async fn nobody_changes_the_trail() {
    let app = CoreApp::start().await;
    app.patient_create(&app.staff(), "Ann", "Lee").await;
    let enter = "select context_enter(1, 1, 'admin', null, null)";
    for (who, mut database) in [
        ("the application", app.database.app().await),
        ("the owner", app.database.owner().await),
        ("the superuser", app.database.superuser().await),
    ] {
        for sql in [
            "update audit_log set action = 'nothing'",
            "delete from audit_log",
            "truncate audit_log cascade",
            "update audit_log set outcome = 'denied' where false or id = id",
        ] {
            let script = format!("begin; {enter}; {sql}");
            let error = sqlx::raw_sql(AssertSqlSafe(script)).execute(&mut database).await.unwrap_err();
            let code =
                error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default().into_owned();
            assert_eq!(code, "42501", "{who}: {sql}: {error}");
            database.execute("rollback").await.unwrap();
        }
    }
    assert_eq!(app.count("select count(*) from audit_log where action = 'created'").await, 1);
}

#[tokio::test]
async fn the_trail_holds_no_value_of_a_field() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let patient = granted(admin.patient_create().body(complete()).send().await, 201);
    let change = UpdatePatient { clinical_notes: Some("Planted note.".to_owned()), ..unchanged(&patient) };
    granted(admin.patient_update().patient_id(patient.id).body(change).send().await, 200);
    granted(admin.patient_list().email("grace.sample@example.com").search("Grace").send().await, 200);
    let trail: String = sqlx::query_scalar(
        "select string_agg(t, E'\\n') from (
             select to_jsonb(l)::text as t from audit_log l
             union all select to_jsonb(p)::text from audit_personal p
             union all select to_jsonb(o)::text from audit_outbox o) all_rows",
    )
    .fetch_one(&mut app.owner().await)
    .await
    .unwrap();
    assert!(trail.contains("clinical_notes"), "the names of fields are there");
    for value in ["Grace", "Sample", "example.com", "1234567", "1980", "L01X00T47", "Quince", "Alan", "knee", "Planted"]
    {
        assert!(!trail.to_lowercase().contains(&value.to_lowercase()), "{value} is in the audit trail");
    }
}
