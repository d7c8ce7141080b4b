//! `/v1/waitlist`: offers of open slots to entries, one after the other.

use chrono::{DateTime, TimeDelta, Utc};
use restartix_sdk::core::types::{
    Appointment, AppointmentStatus, CancelAppointment, CancellationReason, CreateWaitlistEntry, HoldAppointment,
    RescheduleAppointment, SpecialistInput, SpecialtyInput, UpdateAppointment, WaitlistEntry, WaitlistOffer,
    WaitlistStatus,
};
use test_support::{Actor, CoreApp, Template, eventually, granted, in_days, until};

pub(crate) const LAPSE: &str = "hold_expires_at = now() - interval '1 second'";

/// Returns a wish for a slot with a specialist.
pub(crate) fn wish(
    specialist: i64,
    patient: Option<i64>,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> CreateWaitlistEntry {
    CreateWaitlistEntry {
        patient_id: patient,
        specialist_id: Some(specialist),
        template_id: None,
        requested_from: Some(from),
        requested_to: Some(to),
    }
}

pub(crate) async fn wait(actor: &Actor, wish: CreateWaitlistEntry) -> WaitlistEntry {
    granted(actor.waitlist_entry_create().body(wish).send().await, 201)
}

/// Waits until every search for offers has ended.
pub(crate) async fn settled(app: &CoreApp) {
    let open = "select count(*) from jobs where kind = 'waitlist_offer' and state in ('queued', 'running')";
    eventually("nothing is left to be offered", CoreApp::PATIENCE, || async { app.count(open).await == 0 }).await;
}

/// Keeps housekeeping from running, so that a test sees what happens without it.
async fn put_off(app: &CoreApp, kind: &str) {
    let off =
        "update jobs set run_at = now() + interval '1 day' where kind = $1 and state = 'queued' and run_at > now()";
    eventually("it has run and waits for its next turn", CoreApp::PATIENCE, || async {
        sqlx::query(off).bind(kind).execute(&mut app.owner().await).await.unwrap().rows_affected() == 1
    })
    .await;
}

/// Runs a housekeeping job now and waits for the jobs that it enqueues.
pub(crate) async fn now(app: &CoreApp, kind: &str) {
    let due = "update jobs set run_at = now() where kind = $1 and state = 'queued'";
    sqlx::query(due).bind(kind).execute(&mut app.owner().await).await.unwrap();
    let waits = "select exists (select from jobs where kind = $1 and state = 'queued' and run_at > now())";
    eventually("housekeeping is done", CoreApp::PATIENCE, || async {
        sqlx::query_scalar::<_, bool>(waits).bind(kind).fetch_one(&mut app.owner().await).await.unwrap()
    })
    .await;
    settled(app).await;
}

pub(crate) async fn entry(app: &CoreApp, id: i64) -> WaitlistEntry {
    let all = granted(app.staff().waitlist_entry_list().page_size(100).send().await, 200).data;
    all.into_iter().find(|entry| entry.id == id).expect("it is on the list")
}

/// Waits for the offer of an entry.
pub(crate) async fn offer(app: &CoreApp, id: i64) -> WaitlistOffer {
    until("something is offered", CoreApp::PATIENCE, || async { entry(app, id).await.offer }).await.0
}

pub(crate) async fn cancel(app: &CoreApp, id: i64) {
    let body = CancelAppointment { reason: CancellationReason::Other };
    granted(app.staff().appointment_cancel().appointment_id(id).body(body).send().await, 200);
}

/// Starts Core with a specialist who works around the clock and without the sweep of the waitlist.
pub(crate) async fn start() -> (CoreApp, i64) {
    let app = CoreApp::start().await;
    let specialist = app.home().specialist_id;
    app.works_always(specialist).await;
    for kind in ["waitlist_sweep", "holds_expire"] {
        put_off(&app, kind).await;
    }
    (app, specialist)
}

/// Books an hour and adds two entries that wait for it; returns the appointment and the entries.
pub(crate) async fn two_wait(app: &CoreApp, specialist: i64) -> (Appointment, [WaitlistEntry; 2]) {
    let staff = app.staff();
    let has = app.patient_create(&staff, "Ann", "Lee").await.id;
    let booked = app.appointment_create(&staff, specialist, has, in_days(2, 9)).await;
    let template_id = Some(app.template_add(Template::of_minutes(60)).await);
    let mut entries = Vec::new();
    for name in ["Tom", "Tim"] {
        let patient = app.patient_create(&staff, name, "Moe").await.id;
        let wish =
            CreateWaitlistEntry { template_id, ..wish(specialist, Some(patient), in_days(2, 9), in_days(2, 10)) };
        entries.push(wait(&staff, wish).await);
    }
    settled(app).await;
    (booked, entries.try_into().unwrap())
}

#[tokio::test]
async fn what_is_cancelled_is_offered_to_who_waits_first() {
    let (app, specialist) = start().await;
    let (booked, [first, second]) = two_wait(&app, specialist).await;
    for entry_ in [&first, &second] {
        assert_eq!((entry_.status, entry_.offer.is_none()), (WaitlistStatus::Waiting, true));
        assert_eq!(&entry(&app, entry_.id).await, entry_, "nothing is open yet");
    }
    cancel(&app, booked.id).await;
    let offered = offer(&app, first.id).await;
    settled(&app).await;
    assert_eq!(
        (offered.specialist_id, offered.started_at, offered.ended_at),
        (specialist, in_days(2, 9), in_days(2, 10))
    );
    assert_eq!(entry(&app, first.id).await.status, WaitlistStatus::Offered);
    assert_eq!(entry(&app, second.id).await, second, "one slot is offered once");
    let held = granted(app.staff().appointment_get().appointment_id(offered.appointment_id).send().await, 200);
    assert_eq!((held.status, held.patient_id, held.user_id), (AppointmentStatus::Held, first.patient_id, None));
    assert_eq!(held.hold_expires_at, Some(offered.expires_at));
    assert_eq!(offered.expires_at - held.created_at, TimeDelta::minutes(60));
    let trail: Vec<(String, String, String)> = sqlx::query_as(
        "select entity_type, entity_id, actor_kind from audit_log
         where action = 'offered' and operation_id = 'waitlist_offer' order by entity_type",
    )
    .fetch_all(&mut app.owner().await)
    .await
    .unwrap();
    let row = |noun: &str, id: i64| (noun.to_owned(), id.to_string(), "system".to_owned());
    assert_eq!(trail, [row("appointment", held.id), row("waitlist_entry", first.id)]);
}

#[tokio::test]
async fn what_is_let_pass_goes_to_the_next_and_never_back() {
    let (app, specialist) = start().await;
    let (booked, [first, second]) = two_wait(&app, specialist).await;
    cancel(&app, booked.id).await;
    let passed = offer(&app, first.id).await;
    app.appointment_set(passed.appointment_id, LAPSE).await;
    // The offer has lapsed, expired by a job or not.
    assert_eq!(entry(&app, first.id).await.status, WaitlistStatus::Waiting);
    now(&app, "waitlist_sweep").await;
    let next = offer(&app, second.id).await;
    assert_eq!((next.started_at, next.specialist_id), (passed.started_at, passed.specialist_id));
    assert_ne!(next.appointment_id, passed.appointment_id);
    assert_eq!(entry(&app, first.id).await.status, WaitlistStatus::Waiting);

    app.appointment_set(next.appointment_id, LAPSE).await;
    now(&app, "holds_expire").await;
    now(&app, "waitlist_sweep").await;
    for id in [first.id, second.id] {
        assert_eq!(entry(&app, id).await.status, WaitlistStatus::Waiting, "nobody is offered the same time twice");
    }
    assert_eq!(app.count("select count(*) from appointments where waitlist_entry_id is not null").await, 2);
    // The time is open for everybody else.
    let other = app.patient_create(&app.staff(), "Eve", "Poe").await.id;
    let third = wait(&app.staff(), wish(specialist, Some(other), in_days(2, 9), in_days(2, 10))).await;
    assert_eq!(offer(&app, third.id).await.started_at, in_days(2, 9));
}

#[tokio::test]
async fn a_lapse_alone_brings_the_slot_to_the_next() {
    let (app, specialist) = start().await;
    let (booked, [first, second]) = two_wait(&app, specialist).await;
    cancel(&app, booked.id).await;
    let passed = offer(&app, first.id).await;
    app.appointment_set(passed.appointment_id, LAPSE).await;
    now(&app, "holds_expire").await;
    assert_eq!(offer(&app, second.id).await.started_at, passed.started_at);
    let ended = granted(app.staff().appointment_get().appointment_id(passed.appointment_id).send().await, 200);
    assert_eq!(ended.status, AppointmentStatus::Expired);
}

#[tokio::test]
async fn who_let_one_pass_is_still_first_for_another() {
    let (app, specialist) = start().await;
    let own = app.patient_record().await.id;
    let first = wait(&app.patient(), wish(specialist, None, in_days(2, 9), in_days(2, 10))).await;
    assert_eq!(first.patient_id, own);
    let passed = offer(&app, first.id).await;
    assert_eq!(passed.started_at, in_days(2, 9));
    app.appointment_set(passed.appointment_id, LAPSE).await;
    now(&app, "waitlist_sweep").await;
    let next = offer(&app, first.id).await;
    assert_eq!(next.started_at, in_days(2, 9) + TimeDelta::minutes(30));
}

#[tokio::test]
async fn who_never_answers_is_asked_three_times() {
    let (app, specialist) = start().await;
    let patient = app.patient_create(&app.staff(), "Tom", "Moe").await.id;
    let silent = wait(&app.staff(), wish(specialist, Some(patient), in_days(2, 9), in_days(2, 17))).await;
    for _ in 0..3 {
        let passed = offer(&app, silent.id).await;
        app.appointment_set(passed.appointment_id, LAPSE).await;
        now(&app, "waitlist_sweep").await;
    }
    let after = entry(&app, silent.id).await;
    assert_eq!((after.status, after.offer), (WaitlistStatus::Unanswered, None));
    assert_eq!(app.count("select count(*) from appointments").await, 3);
    // A new entry gets offers again, but not of the same times.
    let again = wait(&app.staff(), wish(specialist, Some(patient), in_days(2, 9), in_days(2, 17))).await;
    assert_eq!(offer(&app, again.id).await.started_at, in_days(2, 10) + TimeDelta::minutes(30));
}

#[tokio::test]
async fn anybody_serves_who_has_the_specialty_and_can_be_booked() {
    let (app, specialist) = start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let body = SpecialtyInput { name: "Knees".to_owned(), description: None };
    let specialty = granted(admin.specialty_create().body(body).send().await, 201).id;
    let mut of_knees = Vec::new();
    for bookable in [false, true] {
        let body = SpecialistInput {
            specialty_ids: vec![specialty],
            bookable: Some(bookable),
            ..CoreApp::new_specialist("Dr. Knee")
        };
        of_knees.push(granted(admin.specialist_create().body(body).send().await, 201).id);
    }
    for id in &of_knees {
        app.works_always(*id).await;
    }
    let template = app.template_add(Template::of_minutes(30)).await;
    let patient = app.patient_create(&staff, "Tom", "Moe").await.id;
    let anybody = |template| CreateWaitlistEntry {
        specialist_id: None,
        template_id: Some(template),
        ..wish(specialist, Some(patient), in_days(2, 9), in_days(2, 10))
    };
    sqlx::query("update appointment_templates set specialty_id = $1")
        .bind(specialty)
        .execute(&mut app.owner().await)
        .await
        .unwrap();
    let entry = wait(&staff, anybody(template)).await;
    assert_eq!(entry.specialist_id, None);
    assert_eq!(offer(&app, entry.id).await.specialist_id, of_knees[1]);
    // A template without specialty can be served by any specialist, and one offer is enough.
    let plain = app.template_add(Template::of_minutes(30)).await;
    let entry = wait(&staff, anybody(plain)).await;
    now(&app, "waitlist_sweep").await;
    offer(&app, entry.id).await;
    settled(&app).await;
    assert_eq!(app.count("select count(*) from appointments where status = 'held'").await, 2);
}

#[tokio::test]
async fn what_is_open_is_offered_at_once_within_the_range_while_the_patient_is_free() {
    let (app, specialist) = start().await;
    let (staff, own) = (app.staff(), app.patient_record().await.id);
    let colleague = app.specialist_create(&app.admin(), "Dr. Colleague").await.id;
    let mut elsewhere = CoreApp::new_appointment(colleague, own, in_days(2, 9) + TimeDelta::minutes(30));
    elsewhere.ended_at = in_days(2, 10);
    granted(staff.appointment_create().body(elsewhere).send().await, 201);
    let minutes = TimeDelta::minutes;
    // Slots begin at 9:00 and 9:30, but are not within the range, or the patient has another appointment.
    let (from, to) = (in_days(2, 9) + minutes(1), in_days(2, 11) + minutes(15));
    let entry = wait(&app.patient(), wish(specialist, None, from, to)).await;
    let offered = offer(&app, entry.id).await;
    assert_eq!(offered.started_at, in_days(2, 10));
    app.appointment_set(offered.appointment_id, LAPSE).await;
    now(&app, "waitlist_sweep").await;
    let last = offer(&app, entry.id).await;
    assert_eq!(last.started_at, in_days(2, 10) + minutes(30));
    // The next slot ends after the range.
    app.appointment_set(last.appointment_id, LAPSE).await;
    now(&app, "waitlist_sweep").await;
    assert_eq!(app.count("select count(*) from appointments where waitlist_entry_id is not null").await, 2);
}

#[tokio::test]
async fn no_offer_outlasts_the_beginning_of_its_slot() {
    let (app, specialist) = start().await;
    let patient = app.patient_create(&app.staff(), "Tom", "Moe").await.id;
    let soon = wish(specialist, Some(patient), Utc::now(), Utc::now() + TimeDelta::minutes(80));
    let entry = wait(&app.staff(), soon).await;
    let offered = offer(&app, entry.id).await;
    assert_eq!(offered.expires_at, offered.started_at);
    assert!(offered.started_at > Utc::now() + TimeDelta::minutes(10), "nobody comes at once");
}

#[tokio::test]
async fn whatever_frees_time_has_it_offered() {
    let (app, specialist) = start().await;
    let (admin, staff) = (app.admin(), app.staff());
    let colleague = app.specialist_create(&admin, "Dr. Colleague").await.id;
    let has = app.patient_create(&staff, "Ann", "Lee").await.id;
    let waits = app.patient_create(&staff, "Tom", "Moe").await.id;
    for (day, frees) in (2..).zip(["no_show", "delete", "reschedule", "update", "release"]) {
        let at = in_days(day, 9);
        let slot =
            HoldAppointment { patient_id: Some(has), specialist_id: specialist, started_at: at, template_id: None };
        let id = if frees == "release" {
            granted(staff.appointment_hold_create().body(slot).send().await, 201).id
        } else {
            app.appointment_create(&staff, specialist, has, at).await.id
        };
        let entry = wait(&staff, wish(specialist, Some(waits), at, at + TimeDelta::minutes(30))).await;
        settled(&app).await;
        assert_eq!(self::entry(&app, entry.id).await.offer, None, "{frees}");
        match frees {
            "no_show" => drop(granted(staff.appointment_no_show().appointment_id(id).send().await, 200)),
            "delete" => granted(admin.appointment_delete().appointment_id(id).send().await, 204),
            "release" => granted(staff.appointment_hold_delete().appointment_id(id).send().await, 204),
            "reschedule" => {
                let to = RescheduleAppointment { specialist_id: Some(colleague), started_at: at, version: None };
                drop(granted(staff.appointment_reschedule().appointment_id(id).body(to).send().await, 200));
            }
            _ => {
                let change = UpdateAppointment {
                    ended_at: at + TimeDelta::hours(4),
                    patient_id: has,
                    specialist_id: specialist,
                    specialty_id: None,
                    started_at: at + TimeDelta::hours(3),
                    title: None,
                    version: 1,
                };
                drop(granted(staff.appointment_update().appointment_id(id).body(change).send().await, 200));
            }
        }
        assert_eq!(offer(&app, entry.id).await.started_at, at, "{frees}");
        granted(staff.waitlist_entry_delete().waitlist_entry_id(entry.id).send().await, 204);
        settled(&app).await;
    }
}

#[tokio::test]
async fn what_opens_by_itself_is_found() {
    let app = CoreApp::start().await;
    let specialist = app.home().specialist_id;
    let patient = app.patient_create(&app.staff(), "Tom", "Moe").await.id;
    let entry = wait(&app.staff(), wish(specialist, Some(patient), in_days(2, 9), in_days(2, 10))).await;
    settled(&app).await;
    app.works_always(specialist).await;
    now(&app, "waitlist_sweep").await;
    assert_eq!(offer(&app, entry.id).await.started_at, in_days(2, 9));
    // A second run finds no waiting entry.
    now(&app, "waitlist_sweep").await;
    assert_eq!(app.count("select count(*) from appointments where waitlist_entry_id is not null").await, 1);
}

#[tokio::test]
async fn a_cap_of_the_day_holds_for_offers() {
    let app = CoreApp::start().await;
    let (staff, specialist) = (app.staff(), app.home().specialist_id);
    put_off(&app, "waitlist_sweep").await;
    sqlx::query("update specialists set daily_cap = 2").execute(&mut app.owner().await).await.unwrap();
    for (_, patient) in app.patients_add(6).await {
        wait(&staff, wish(specialist, Some(patient), in_days(2, 0), in_days(9, 0))).await;
    }
    settled(&app).await;
    app.works_always(specialist).await;
    now(&app, "waitlist_sweep").await;
    let offers = "select count(*) from appointments where status = 'held'";
    assert_eq!(app.count(offers).await, 6, "one look serves all of them");
    let full = "select count(*) from (select from appointments a join specialists s on s.id = a.specialist_id
                                      group by (a.started_at at time zone s.timezone)::date having count(*) = 2) d";
    assert_eq!(app.count(full).await, 3, "two on each of three days");
}

#[tokio::test]
async fn freed_time_leaves_no_job_until_somebody_waits_in_whichever_process() {
    let (app, specialist) = start().await;
    let admin = app.admin();
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    let looks = || app.count("select count(*) from jobs where kind = 'waitlist_offer'");
    let mut day = 1;
    let mut free = async || {
        day += 1;
        let before = looks().await;
        cancel(&app, app.appointment_create(&admin, specialist, patient, in_days(day, 9)).await.id).await;
        looks().await > before
    };
    let begun = tokio::time::Instant::now();
    while free().await {
        assert!(begun.elapsed() < CoreApp::PATIENCE, "nobody waits, and whatever time is freed leaves a job");
    }

    let sql = "insert into waitlist_entries (organization_id, patient_id, specialist_id, requested_from, requested_to)
               values ($1, $2, $3, now() + interval '200 days', now() + interval '201 days')";
    let insert = sqlx::query(sql).bind(app.home().id).bind(patient).bind(specialist);
    insert.execute(&mut app.owner().await).await.expect("another process puts somebody on the list");
    let begun = tokio::time::Instant::now();
    while !free().await {
        assert!(begun.elapsed() < CoreApp::PATIENCE, "this process never heard that somebody waits");
    }
}

#[tokio::test]
async fn nobody_is_offered_more_than_three_slots_at_once() {
    let (app, first) = start().await;
    let patient = app.patient_create(&app.staff(), "Tom", "Moe").await.id;
    let mut specialists = vec![first];
    for name in ["Dr. Two", "Dr. Three", "Dr. Four"] {
        let specialist = app.specialist_create(&app.admin(), name).await.id;
        app.works_always(specialist).await;
        specialists.push(specialist);
    }
    let mut entries = Vec::new();
    for (day, specialist) in (2..).zip(specialists) {
        let wish = wish(specialist, Some(patient), in_days(day, 9), in_days(day, 10));
        entries.push(wait(&app.staff(), wish).await.id);
        settled(&app).await;
    }
    let offered =
        app.count("select waitlist_offers(min(organization_id), min(patient_id)) from waitlist_entries").await;
    assert_eq!(offered, 3);
    assert_eq!(entry(&app, entries[3]).await.offer, None);
    granted(app.staff().waitlist_entry_delete().waitlist_entry_id(entries[0]).send().await, 204);
    now(&app, "waitlist_sweep").await;
    assert_eq!(offer(&app, entries[3]).await.started_at, in_days(5, 9));
}
