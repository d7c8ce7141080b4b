//! Merging patients who were entered twice: everything that moves, ends or stays, and the reasons for refusals.

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Method;
use restartix_sdk::core::types::{
    Appointment, AppointmentStatus, BeginImpersonation, CancelAppointment, CancellationReason, CreatePatient,
    LinkRecord, MergePatient, Patient, PatientMerge, RescheduleAppointment, WaitlistStatus,
};
use serde_json::json;
use sqlx::AssertSqlSafe;
use test_support::{Actor, Answer, CoreApp, Refusal, Role, granted, in_days, refused, until};

use crate::{
    audit::Trail,
    invitation::signed_up,
    patient::unchanged,
    waitlist::{LAPSE, entry, offer, settled, wait, wish},
};

/// Returns the request to merge the second record into the first one, as they were read.
pub(crate) fn merging(surviving: &Patient, merged: &Patient) -> MergePatient {
    MergePatient { merged_patient_id: merged.id, merged_version: merged.version, version: surviving.version }
}

pub(crate) async fn merge(admin: &Actor, surviving: &Patient, merged: &Patient) -> PatientMerge {
    granted(admin.patient_merge().patient_id(surviving.id).body(merging(surviving, merged)).send().await, 200)
}

async fn merge_refused(admin: &Actor, surviving: &Patient, merged: &Patient, status: u16, code: &str) -> Refusal {
    let body = merging(surviving, merged);
    refused(admin.patient_merge().patient_id(surviving.id).body(body).send().await, status, code)
}

/// Creates two records of a person.
pub(crate) async fn twice(app: &CoreApp) -> (Patient, Patient) {
    let admin = app.admin();
    (app.patient_create(&admin, "Grace", "Sample").await, app.patient_create(&admin, "Gracie", "Sample").await)
}

async fn book(app: &CoreApp, patient: &Patient, at: DateTime<Utc>) -> Appointment {
    app.appointment_create(&app.admin(), app.home().specialist_id, patient.id, at).await
}

async fn appointment(app: &CoreApp, id: i64) -> Appointment {
    granted(app.admin().appointment_get().appointment_id(id).send().await, 200)
}

async fn execute(app: &CoreApp, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut app.owner().await).await.unwrap();
}

#[tokio::test]
async fn everything_of_the_merged_record_is_the_patients() {
    let app = CoreApp::start().await;
    let (admin, specialist) = (app.admin(), app.home().specialist_id);
    let (stays, goes) = twice(&app).await;
    let mut titled = CoreApp::new_appointment(specialist, goes.id, in_days(2, 9));
    titled.title = Some("A title".to_owned());
    let titled = granted(admin.appointment_create().body(titled).send().await, 201);
    let to = RescheduleAppointment { specialist_id: None, started_at: in_days(3, 9), version: None };
    let titled = granted(admin.appointment_reschedule().appointment_id(titled.id).body(to).send().await, 200);
    let completed = book(&app, &goes, in_days(4, 9)).await.id;
    granted(admin.appointment_confirm().appointment_id(completed).send().await, 200);
    granted(admin.appointment_start().appointment_id(completed).send().await, 200);
    let completed = granted(admin.appointment_complete().appointment_id(completed).send().await, 200);
    let body = CancelAppointment { reason: CancellationReason::Other };
    let cancelled = book(&app, &goes, in_days(5, 9)).await.id;
    let cancelled = granted(admin.appointment_cancel().appointment_id(cancelled).body(body).send().await, 200);
    let series = CoreApp::new_series(specialist, goes.id, in_days(6, 9), CoreApp::daily(3));
    let series = granted(admin.appointment_series_create().body(series).send().await, 201).series;
    // A deleted appointment of a series goes along with it.
    granted(admin.appointment_delete().appointment_id(series.appointments[2].id).send().await, 204);
    let own = book(&app, &stays, in_days(20, 9)).await;

    let mut trail = Trail::new(&app).await;
    trail.next().await;
    let before = Utc::now();
    let merged = merge(&admin, &stays, &goes).await;
    assert_eq!((merged.patient_id, merged.merged_patient_id), (stays.id, goes.id));
    assert!((merged.merged_at - before).abs() < TimeDelta::minutes(1), "{merged:?}");

    let of = async |patient: i64| {
        let list = admin.appointment_list().patient_id(patient).page_size(100).send().await;
        granted(list, 200).data.into_iter().map(|appointment| appointment.id).collect::<Vec<_>>()
    };
    let moved = [titled.id, completed.id, cancelled.id, series.appointments[0].id, series.appointments[1].id];
    assert_eq!(of(stays.id).await, [&moved[..], &[own.id][..]].concat());
    assert_eq!(of(goes.id).await, Vec::<i64>::new());
    for before in [&titled, &completed, &cancelled] {
        let now = appointment(&app, before.id).await;
        assert_eq!((now.patient_id, now.version), (stays.id, before.version + 1));
        // Everything else stays, in what is completed as well; no calendar shows a change.
        let same = Appointment { patient_id: goes.id, version: before.version, updated_at: before.updated_at, ..now };
        assert_eq!(&same, before);
    }
    assert_eq!(appointment(&app, titled.id).await.title, "A title");
    let departed = "select count(*) from calendar_departures where patient_id is not null";
    assert_eq!(app.count(departed).await, 1, "the deleted one alone");
    let there = granted(admin.appointment_series_get().appointment_series_id(series.id).send().await, 200);
    assert_eq!((there.patient_id, there.appointments.len()), (stays.id, 2));
    let rescheduled = admin.appointment_reschedule_list().appointment_id(titled.id).send().await;
    assert_eq!(granted(rescheduled, 200).data.len(), 1);
    let history = "select count(*) from appointment_reschedules
                   where patient_id = (select owner_id from patient_merges)";
    assert_eq!(app.count(history).await, 1);

    // The record itself has not changed, and each change is in the trail.
    let same = granted(admin.patient_get().patient_id(stays.id).send().await, 200);
    assert_eq!((same.version, same.first_name.as_str()), (stays.version, "Grace"));
    let mut said: Vec<(String, String)> = trail
        .next()
        .await
        .into_iter()
        .filter(|row| row.operation_id == "patient_merge")
        .map(|row| (format!("{}.{}", row.entity_type, row.action), row.entity_id.unwrap_or_default()))
        .collect();
    said.sort();
    let mut expected: Vec<(String, String)> =
        moved.iter().map(|id| ("appointment.updated".to_owned(), id.to_string())).collect();
    expected.extend([
        ("appointment_series.updated".to_owned(), series.id.to_string()),
        ("patient.merged".to_owned(), stays.id.to_string()),
        ("patient.merged_away".to_owned(), goes.id.to_string()),
    ]);
    expected.sort();
    assert_eq!(said, expected);
}

#[tokio::test]
async fn a_merged_record_answers_with_the_patient_that_it_is_now() {
    let app = CoreApp::start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let create = async |email: &str| {
        let body = CreatePatient { email: Some(email.to_owned()), ..CoreApp::new_patient("Grace", "Sample") };
        granted(admin.patient_create().body(body).send().await, 201)
    };
    let (stays, goes) = (create("grace@example.org").await, create("old@example.org").await);
    let (third, _) = twice(&app).await;
    merge(&admin, &stays, &goes).await;

    let points = |refusal: Refusal| assert_eq!(refusal.details, json!({ "merged_into": stays.id }));
    for actor in [&admin, &staff] {
        points(refused(actor.patient_get().patient_id(goes.id).send().await, 404, "patient_merged"));
        let update = actor.patient_update().patient_id(goes.id).body(unchanged(&goes)).send().await;
        points(refused(update, 404, "patient_merged"));
        points(refused(actor.patient_delete().patient_id(goes.id).send().await, 404, "patient_merged"));
    }
    let link = LinkRecord { email: Some("x@example.org".to_owned()), user_id: None };
    points(refused(admin.patient_link().patient_id(goes.id).body(link).send().await, 404, "patient_merged"));
    points(refused(admin.patient_unlink().patient_id(goes.id).send().await, 404, "patient_merged"));
    let act = BeginImpersonation { minutes: None, reason: "A test".to_owned() };
    points(refused(admin.patient_impersonate().patient_id(goes.id).body(act).send().await, 404, "patient_merged"));
    points(merge_refused(&admin, &goes, &third, 404, "patient_merged").await);
    points(refused(admin.gdpr_patient_erase().patient_id(goes.id).send().await, 404, "patient_merged"));
    points(refused(admin.gdpr_patient_anonymize().patient_id(goes.id).send().await, 404, "patient_merged"));
    let export = admin.request(Method::GET, &format!("/v1/gdpr/patients/{}/export", goes.id));
    points(Answer::to(export).await.refusal(404, "patient_merged"));
    // A body names no patient by it.
    let booking = CoreApp::new_appointment(app.home().specialist_id, goes.id, in_days(2, 9));
    let refusal = refused(staff.appointment_create().body(booking).send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/patient_id", "unknown_reference")]);
    // Another clinic, and a specialist who does not see the patient, learn nothing.
    for actor in [app.other_admin(), app.specialist()] {
        let refusal = refused(actor.patient_get().patient_id(goes.id).send().await, 404, "patient_not_found");
        assert_eq!(refusal.details, json!(null));
    }

    // Lists and searches show the patient alone, by its own values; an address of the merged record is free.
    let found = async |email: &str| {
        let list = admin.patient_list().email(email).send().await;
        granted(list, 200).data.into_iter().map(|patient| patient.id).collect::<Vec<_>>()
    };
    assert_eq!(found("grace@example.org").await, [stays.id]);
    assert_eq!(found("old@example.org").await, Vec::<i64>::new());
    let all = granted(admin.patient_list().page_size(100).send().await, 200).data;
    assert!(all.iter().all(|patient| patient.id != goes.id));
    let mut body = unchanged(&stays);
    body.email = Some("old@example.org".to_owned());
    granted(admin.patient_update().patient_id(stays.id).body(body).send().await, 200);
    assert_eq!(found("old@example.org").await, [stays.id]);
    // Without the patient, there is nothing to point at.
    granted(admin.patient_delete().patient_id(stays.id).send().await, 204);
    let refusal = refused(admin.patient_get().patient_id(goes.id).send().await, 404, "patient_not_found");
    assert_eq!(refusal.details, json!(null));
}

#[tokio::test]
async fn appointments_that_overlap_are_named_and_nothing_changes() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let (stays, goes) = twice(&app).await;
    let other = app.specialist_create(&admin, "Dr. Other").await.id;
    let at = in_days(2, 9);
    let first = book(&app, &stays, at).await;
    let half = at + TimeDelta::minutes(30);
    let second = app.appointment_create(&admin, other, goes.id, half).await;
    let refusal = merge_refused(&admin, &stays, &goes, 409, "appointments_overlap").await;
    let pair = json!({ "appointment_id": first.id, "merged_appointment_id": second.id });
    assert_eq!(refusal.details, json!({ "overlaps": [pair] }));
    assert_eq!(granted(admin.patient_get().patient_id(goes.id).send().await, 200), goes);
    assert_eq!(appointment(&app, second.id).await, second);
    assert_eq!(app.count("select count(*) from patient_merges").await, 0);
    // A lapsed hold occupies nothing, nor does what was cancelled.
    let body = CancelAppointment { reason: CancellationReason::Other };
    granted(admin.appointment_cancel().appointment_id(second.id).body(body).send().await, 200);
    let held = app.appointment_create(&admin, other, goes.id, half).await.id;
    app.appointment_set(held, "status = 'held', holder = 'user:1', hold_expires_at = now() + interval '1 hour'").await;
    merge_refused(&admin, &stays, &goes, 409, "appointments_overlap").await;
    app.appointment_set(held, LAPSE).await;
    merge(&admin, &stays, &goes).await;
    assert_eq!(appointment(&app, held).await.status, AppointmentStatus::Expired);
    // Appointments that touch do not overlap.
    let (stays, goes) = twice(&app).await;
    book(&app, &stays, in_days(9, 9)).await;
    let after = app.appointment_create(&admin, other, goes.id, in_days(9, 10)).await.id;
    merge(&admin, &stays, &goes).await;
    assert_eq!(appointment(&app, after).await.patient_id, stays.id);
}

#[tokio::test]
async fn the_login_comes_along_and_two_are_refused() {
    let app = CoreApp::start().await;
    let second = app.second_core().await;
    let (admin, home) = (app.admin(), app.home());
    let goes = app.patient_record().await;
    let (stays, twin) = twice(&app).await;
    let person = app.patient();
    let there = person.at(&second.url());
    for core in [&person, &there] {
        assert_eq!(granted(core.me_get().send().await, 200).patient_id, Some(goes.id));
    }
    let feed = granted(person.calendar_feed_create().send().await, 201);
    let mine = book(&app, &goes, in_days(2, 9)).await;
    let other = book(&app, &stays, in_days(3, 9)).await;
    let act = BeginImpersonation { minutes: None, reason: "A test".to_owned() };
    let token = granted(admin.patient_impersonate().patient_id(goes.id).body(act).send().await, 201).token;
    granted(admin.holding(&token).me_get().send().await, 200);

    let merged = merge(&admin, &stays, &goes).await;
    // At once here, within a second elsewhere.
    assert_eq!(granted(person.me_get().send().await, 200).patient_id, Some(stays.id));
    let seen = granted(person.appointment_list().send().await, 200).data;
    assert_eq!(seen.iter().map(|appointment| appointment.id).collect::<Vec<_>>(), [mine.id, other.id]);
    until("the other process has heard", CoreApp::HEARD, || async {
        let me = granted(there.me_get().send().await, 200);
        (me.patient_id == Some(stays.id)).then_some(())
    })
    .await;
    let ended = Answer::to(admin.holding(&token).request(Method::GET, "/v1/me")).await;
    assert_eq!(ended.status.as_u16(), 401, "nobody acts as a merged record");
    let link = format!("{}/v1/calendar.ics?token={}", app.url(), feed.token);
    let calendar = Answer::to(reqwest::Client::builder().build().unwrap().get(link)).await;
    assert!(calendar.body.contains(&mine.uid.to_string()) && !calendar.body.contains("CANCELLED"), "{}", calendar.body);
    let linked = granted(admin.patient_get().patient_id(stays.id).send().await, 200);
    assert_eq!((linked.user_id, linked.version), (Some(home.patient.user_id), stays.version + 1));
    let revoked = "select count(*) from jobs where kind = 'access_revoke'";
    assert_eq!(app.count(revoked).await, 1, "a token for Telemetry names the merged record");

    // Two logins are two people, until one of them is unlinked.
    let another = app.member_add(Role::Patient).await;
    app.patient_link(&admin, twin.id, &another).await;
    let twin = granted(admin.patient_get().patient_id(twin.id).send().await, 200);
    merge_refused(&admin, &linked, &twin, 409, "both_have_users").await;
    granted(admin.patient_unlink().patient_id(twin.id).send().await, 204);
    let twin = granted(admin.patient_get().patient_id(twin.id).send().await, 200);
    merge(&admin, &linked, &twin).await;
    assert_eq!(granted(person.me_get().send().await, 200).patient_id, Some(stays.id));
    // The first merge is as it was.
    assert_eq!(merge(&admin, &stays, &goes).await, merged);
}

#[tokio::test]
async fn nobody_gets_the_patient_by_an_invitation_to_the_merged_record() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let (stays, goes) = twice(&app).await;
    let to = |email: &str| LinkRecord { email: Some(email.to_owned()), user_id: None };
    let ana = app.actor(&signed_up(&app, "Ana", "ana@example.org").await);
    let invited = granted(admin.patient_link().patient_id(goes.id).body(to("ana@example.org")).send().await, 201);
    let kept = granted(admin.patient_link().patient_id(stays.id).body(to("bo@example.org")).send().await, 201);
    merge(&admin, &stays, &goes).await;
    refused(ana.me_invitation_accept().invitation_id(invited.id).send().await, 404, "invitation_not_found");
    let list = granted(admin.invitation_list().organization_id(app.home().id).send().await, 200).data;
    let states: Vec<_> = list.iter().map(|one| (one.id, one.status.to_string())).collect();
    assert_eq!(states, [(kept.id, "pending".to_owned()), (invited.id, "revoked".to_owned())]);
}

#[tokio::test]
async fn of_two_entries_for_the_same_one_waits() {
    let app = CoreApp::start().await;
    let (admin, specialist) = (app.admin(), app.home().specialist_id);
    app.works_always(specialist).await;
    let (stays, goes) = twice(&app).await;
    let never = app.specialist_create(&admin, "Dr. Never").await.id;
    let elsewhere = app.specialist_create(&admin, "Dr. Elsewhere").await.id;
    let ask = async |of: i64, with: i64, day: u64| {
        wait(&admin, wish(with, Some(of), in_days(day, 18), in_days(day, 19))).await.id
    };
    // The merged record's entry has waited longer for one specialist, and has an offer of the other.
    let older = ask(goes.id, never, 2).await;
    let younger = ask(stays.id, never, 2).await;
    let without = ask(stays.id, specialist, 300).await;
    let offered = ask(goes.id, specialist, 3).await;
    let other = ask(goes.id, elsewhere, 4).await;
    offer(&app, offered).await;
    settled(&app).await;
    merge(&admin, &stays, &goes).await;
    let list = admin.waitlist_entry_list().patient_id(stays.id).page_size(100).send().await;
    let left = granted(list, 200).data;
    let ids: Vec<_> = left.iter().map(|entry| entry.id).collect();
    assert_eq!(ids, [older, offered, other], "not {younger} and {without}");
    assert!(left.iter().all(|entry| entry.patient_id == stays.id));
    let booked = granted(admin.waitlist_entry_accept().waitlist_entry_id(offered).send().await, 200);
    assert_eq!((booked.patient_id, booked.specialist_id), (stays.id, specialist));
    assert_eq!(entry(&app, offered).await.status, WaitlistStatus::Booked);
}

#[tokio::test]
async fn a_specialist_of_the_merged_record_treats_the_patient() {
    let app = CoreApp::start().await;
    let (admin, specialist) = (app.admin(), app.specialist());
    let (stays, goes) = twice(&app).await;
    refused(specialist.patient_get().patient_id(stays.id).send().await, 404, "patient_not_found");
    book(&app, &goes, in_days(2, 9)).await;
    granted(specialist.patient_get().patient_id(goes.id).send().await, 200);
    merge(&admin, &stays, &goes).await;
    assert_eq!(granted(specialist.patient_get().patient_id(stays.id).send().await, 200).id, stays.id);
    let refusal = refused(specialist.patient_get().patient_id(goes.id).send().await, 404, "patient_merged");
    assert_eq!(refusal.details, json!({ "merged_into": stays.id }));
}

#[tokio::test]
async fn a_chain_of_merges_leads_to_one_patient_and_never_in_a_circle() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let (first, second) = twice(&app).await;
    let (third, fourth) = twice(&app).await;
    let booked = book(&app, &third, in_days(2, 9)).await.id;
    let early = merge(&admin, &second, &third).await;
    assert_eq!(merge(&admin, &second, &third).await, early, "a repeated request gets the same answer");
    merge(&admin, &first, &second).await;
    assert_eq!(appointment(&app, booked).await.patient_id, first.id);
    for gone in [&second, &third] {
        let refusal = refused(admin.patient_get().patient_id(gone.id).send().await, 404, "patient_merged");
        assert_eq!(refusal.details, json!({ "merged_into": first.id }));
        // In a circle, or away from where it is.
        let refusal = merge_refused(&admin, gone, &first, 404, "patient_merged").await;
        assert_eq!(refusal.details, json!({ "merged_into": first.id }));
        let refusal = merge_refused(&admin, &fourth, gone, 409, "patient_already_merged").await;
        assert_eq!(refusal.details, json!({ "merged_into": first.id }));
    }
    // The third belongs to the first, whichever way it came there.
    assert_eq!(merge(&admin, &first, &third).await.merged_at, early.merged_at);
    let refusal = merge_refused(&admin, &first, &first, 422, "validation_failed").await;
    assert_eq!(refusal.fields(), [("/merged_patient_id", "other")]);
}

#[tokio::test]
async fn a_merge_is_of_what_was_read_and_of_one_clinic() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let (stays, goes) = twice(&app).await;
    let above = app.superadmin().patient_merge().patient_id(stays.id).body(merging(&stays, &goes)).send().await;
    refused(above, 403, "organization_required");
    let updated = granted(admin.patient_update().patient_id(goes.id).body(unchanged(&goes)).send().await, 200);
    let refusal = merge_refused(&admin, &stays, &goes, 409, "stale_version").await;
    assert_eq!(refusal.details, json!({ "merged_version": updated.version }));
    let newer = granted(admin.patient_update().patient_id(stays.id).body(unchanged(&stays)).send().await, 200);
    let refusal = merge_refused(&admin, &stays, &updated, 409, "stale_version").await;
    assert_eq!(refusal.details, json!({ "version": newer.version }));
    let foreign = app.patient_create(&app.other_admin(), "Far", "Away").await;
    let gone = app.patient_create(&admin, "Ann", "Gone").await;
    granted(admin.patient_delete().patient_id(gone.id).send().await, 204);
    for unknown in [&foreign, &gone, &Patient { id: 4711, ..gone.clone() }] {
        let refusal = merge_refused(&admin, &newer, unknown, 422, "validation_failed").await;
        assert_eq!(refusal.fields(), [("/merged_patient_id", "unknown_reference")]);
        merge_refused(&admin, unknown, &updated, 404, "patient_not_found").await;
    }
    for id in [newer.id, updated.id] {
        for mode in ["erase", "anonymize"] {
            let sql = format!(
                "delete from jobs where kind = 'gdpr_erasure';
                 insert into jobs (id, organization_id, kind, key, run_at)
                 values (gen_random_uuid(), {}, 'gdpr_erasure', '{mode}:patient:{id}', now() + interval '1 day')",
                app.home().id
            );
            execute(&app, sql).await;
            merge_refused(&admin, &newer, &updated, 409, "erasure_in_progress").await;
        }
    }
    execute(&app, "delete from jobs where kind = 'gdpr_erasure'".to_owned()).await;
    merge(&admin, &newer, &updated).await;
}
