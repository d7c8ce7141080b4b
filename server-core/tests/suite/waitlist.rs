//! `/v1/waitlist`: who waits for a slot is offered what becomes open, one after the other.

use chrono::{DateTime, TimeDelta, Utc};
use restartix_sdk::core::types::{
    Appointment, AppointmentStatus, BookAppointment, CancelAppointment, CancellationReason, CreateWaitlistEntry,
    HoldAppointment, RescheduleAppointment, SpecialistInput, SpecialtyInput, UpdateAppointment, WaitlistEntry,
    WaitlistOffer, WaitlistStatus,
};
use test_support::{Actor, CoreApp, Template, eventually, granted, in_days, refused, until};

pub(crate) const LAPSE: &str = "hold_expires_at = now() - interval '1 second'";

/// Waits with a specialist for half an hour.
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

/// Every look at what is open has ended that was asked for.
pub(crate) async fn settled(app: &CoreApp) {
    let open = "select count(*) from jobs where kind = 'waitlist_offer' and state in ('queued', 'running')";
    eventually("nothing is left to be offered", CoreApp::PATIENCE, || async { app.count(open).await == 0 }).await;
}

/// Keeps housekeeping from running, so that a test sees what is done without it.
async fn put_off(app: &CoreApp, kind: &str) {
    let off =
        "update jobs set run_at = now() + interval '1 day' where kind = $1 and state = 'queued' and run_at > now()";
    eventually("it has run and waits for its next turn", CoreApp::PATIENCE, || async {
        sqlx::query(off).bind(kind).execute(&mut app.owner().await).await.unwrap().rows_affected() == 1
    })
    .await;
}

/// Has housekeeping done now, and what it leads to.
async fn now(app: &CoreApp, kind: &str) {
    let due = "update jobs set run_at = now() where kind = $1 and state = 'queued'";
    sqlx::query(due).bind(kind).execute(&mut app.owner().await).await.unwrap();
    let waits = "select exists (select from jobs where kind = $1 and state = 'queued' and run_at > now())";
    eventually("housekeeping is done", CoreApp::PATIENCE, || async {
        sqlx::query_scalar::<_, bool>(waits).bind(kind).fetch_one(&mut app.owner().await).await.unwrap()
    })
    .await;
    settled(app).await;
}

async fn entry(app: &CoreApp, id: i64) -> WaitlistEntry {
    let all = granted(app.staff().waitlist_entry_list().page_size(100).send().await, 200).data;
    all.into_iter().find(|entry| entry.id == id).expect("it is on the list")
}

/// What an entry is offered, once it is.
pub(crate) async fn offer(app: &CoreApp, id: i64) -> WaitlistOffer {
    until("something is offered", CoreApp::PATIENCE, || async { entry(app, id).await.offer }).await.0
}

async fn cancel(app: &CoreApp, id: i64) {
    let body = CancelAppointment { reason: CancellationReason::Other };
    granted(app.staff().appointment_cancel().appointment_id(id).body(body).send().await, 200);
}

/// Home with its specialist at work, the waitlist looked after by events alone.
async fn start() -> (CoreApp, i64) {
    let app = CoreApp::start().await;
    let specialist = app.home().specialist_id;
    app.works_always(specialist).await;
    for kind in ["waitlist_sweep", "holds_expire"] {
        put_off(&app, kind).await;
    }
    (app, specialist)
}

/// An hour that somebody has, and two who wait for it: the appointment and the entries.
async fn two_wait(app: &CoreApp, specialist: i64) -> (Appointment, [WaitlistEntry; 2]) {
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
    // It is over by then, whether or not somebody has ended it.
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
    // The time itself is open, to everybody else.
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
    // Who asks anew is asked anew, but for other times.
    let again = wait(&app.staff(), wish(specialist, Some(patient), in_days(2, 9), in_days(2, 17))).await;
    assert_eq!(offer(&app, again.id).await.started_at, in_days(2, 10) + TimeDelta::minutes(30));
}

#[tokio::test]
async fn nobody_waits_for_everything() {
    let (app, specialist) = start().await;
    let own = app.patient_record().await.id;
    for place in 0..10 {
        let template_id = Some(app.template_add(Template::of_minutes(30)).await);
        let wish = CreateWaitlistEntry { template_id, ..wish(specialist, None, in_days(2, 9), in_days(2, 17)) };
        wait(&app.patient(), wish.clone()).await;
        if place == 9 {
            refused(app.patient().waitlist_entry_create().body(wish).send().await, 409, "already_waiting");
        }
    }
    let wish = |patient| wish(specialist, patient, in_days(2, 9), in_days(2, 17));
    let one_more =
        |actor: Actor, patient| async move { actor.waitlist_entry_create().body(wish(patient)).send().await };
    refused(one_more(app.patient(), None).await, 409, "waitlist_full");
    refused(one_more(app.staff(), Some(own)).await, 409, "waitlist_full");
    let first = granted(app.patient().waitlist_entry_list().send().await, 200).data[0].id;
    granted(app.patient().waitlist_entry_delete().waitlist_entry_id(first).send().await, 204);
    granted(one_more(app.patient(), None).await, 201);
}

#[tokio::test]
async fn who_is_away_by_now_keeps_no_offer() {
    let (app, specialist) = start().await;
    let own = app.patient_record().await.id;
    let entry_ = wait(&app.patient(), wish(specialist, Some(own), in_days(2, 9), in_days(2, 10))).await;
    let offered = offer(&app, entry_.id).await;
    let ill = "insert into specialist_exceptions (organization_id, specialist_id, kind, starts_at, ends_at)
               select organization_id, id, 'unavailable', ($2 at time zone timezone) + interval '10 minutes',
                      ($2 at time zone timezone) + interval '1 day' from specialists where id = $1";
    let mut owner = app.owner().await;
    sqlx::query(ill).bind(specialist).bind(offered.started_at).execute(&mut owner).await.unwrap();
    let me = app.patient();
    let accept = || me.waitlist_entry_accept().waitlist_entry_id(entry_.id).send();
    refused(accept().await, 409, "offer_expired");
    let after = entry(&app, entry_.id).await;
    assert_eq!((after.status, after.offer), (WaitlistStatus::Waiting, None));
    let staff = app.staff();
    let gone = staff.appointment_get().appointment_id(offered.appointment_id).send().await;
    refused(gone, 404, "appointment_not_found");
    // It is not the patient who let it pass: however often that happens, the entry goes on waiting.
    let others =
        "insert into appointments (organization_id, status, started_at, ended_at, block, specialist_id, patient_id,
                                            waitlist_entry_id, deleted_at)
                  select organization_id, status, started_at, ended_at, block, specialist_id, patient_id,
                         waitlist_entry_id, deleted_at from appointments, generate_series(1, 3) where id = $1";
    sqlx::query(others).bind(offered.appointment_id).execute(&mut owner).await.unwrap();
    assert_eq!(entry(&app, entry_.id).await.status, WaitlistStatus::Waiting);
}

#[tokio::test]
async fn an_offer_opens_no_record() {
    let (app, specialist) = start().await;
    let patient = app.patient_create(&app.staff(), "Ann", "Lee").await.id;
    let entry = wait(&app.staff(), wish(specialist, Some(patient), in_days(2, 9), in_days(2, 10))).await;
    let offered = offer(&app, entry.id).await;
    let see = || async { app.specialist().patient_get().patient_id(patient).send().await };
    refused(see().await, 404, "patient_not_found");
    assert_eq!(granted(app.specialist().patient_list().send().await, 200).data, []);
    app.appointment_set(offered.appointment_id, "status = 'expired', holder = null").await;
    refused(see().await, 404, "patient_not_found");
    // Booked, it is the specialist's patient.
    app.appointment_create(&app.staff(), specialist, patient, in_days(3, 9)).await;
    assert_eq!(granted(see().await, 200).id, patient);
}

#[tokio::test]
async fn an_offer_is_accepted_by_its_patient_once() {
    let (app, specialist) = start().await;
    let (staff, me) = (app.staff(), app.patient());
    let own = app.patient_record().await.id;
    let [(other, _)] = app.patients_add(1).await.try_into().unwrap();
    let other = app.actor(&other);
    let template_id = Some(app.template_add(Template { modality: "video", ..Template::of_minutes(30) }).await);
    let wish = CreateWaitlistEntry { template_id, ..wish(specialist, None, in_days(2, 9), in_days(2, 10)) };
    let mine = wait(&me, wish).await;
    let offered = offer(&app, mine.id).await;

    // For everybody else it is somebody's hold, and for who accepts it is the one that was shown.
    let of_hold = BookAppointment {
        hold_id: Some(offered.appointment_id),
        patient_id: None,
        specialist_id: None,
        started_at: None,
        template_id: None,
        title: None,
    };
    for actor in [&staff, &me, &app.admin()] {
        refused(actor.appointment_book().body(of_hold.clone()).send().await, 403, "hold_not_own");
        let release = actor.appointment_hold_delete().appointment_id(offered.appointment_id).send().await;
        refused(release, 403, "hold_not_own");
    }
    let accept = async |actor: &Actor| actor.waitlist_entry_accept().waitlist_entry_id(mine.id).send().await;
    refused(accept(&other).await, 404, "waitlist_entry_not_found");
    refused(other.waitlist_entry_delete().waitlist_entry_id(mine.id).send().await, 404, "waitlist_entry_not_found");
    assert_eq!(granted(other.waitlist_entry_list().send().await, 200).meta.total, 0);
    refused(accept(&app.specialist()).await, 403, "permission_denied");
    let another = me.waitlist_entry_accept().waitlist_entry_id(mine.id).appointment_id(offered.appointment_id + 1);
    refused(another.send().await, 409, "offer_expired");
    assert_eq!(granted(me.waitlist_entry_list().send().await, 200).data, [entry(&app, mine.id).await]);

    let meant = me.waitlist_entry_accept().waitlist_entry_id(mine.id).appointment_id(offered.appointment_id);
    let booked = granted(meant.send().await, 200);
    assert_eq!(
        (booked.id, booked.status, booked.patient_id),
        (offered.appointment_id, AppointmentStatus::Scheduled, own)
    );
    assert_eq!((booked.started_at, booked.ended_at), (offered.started_at, offered.ended_at));
    assert_eq!((booked.user_id, booked.hold_expires_at), (Some(me.person().user_id), None));
    assert_eq!(granted(me.appointment_get().appointment_id(booked.id).send().await, 200), booked);
    let now = entry(&app, mine.id).await;
    assert_eq!((now.status, now.appointment_id, now.offer), (WaitlistStatus::Booked, Some(booked.id), None));
    refused(accept(&me).await, 409, "already_booked");
    let rooms = "select count(*) from jobs where kind = 'video_room_follow'";
    assert_eq!(app.count(rooms).await, 1, "the appointment by video has its room made");
    let trail = "select count(*) from audit_log where operation_id = 'waitlist_entry_accept' and outcome = 'succeeded'
                 and (action, entity_type) in (('booked', 'appointment'), ('accepted', 'waitlist_entry'))";
    assert_eq!(app.count(trail).await, 2);
    assert_eq!(app.count("select count(*) from appointments where holder is not null").await, 0);

    // Off the list, the appointment stays; and what is booked can be waited for again.
    granted(me.waitlist_entry_delete().waitlist_entry_id(mine.id).send().await, 204);
    assert_eq!(granted(me.appointment_get().appointment_id(booked.id).send().await, 200), booked);
}

#[tokio::test]
async fn there_is_nothing_to_accept_before_and_after_an_offer() {
    let (app, specialist) = start().await;
    let (booked, [first, _]) = two_wait(&app, specialist).await;
    let staff = app.staff();
    let accept = || staff.waitlist_entry_accept().waitlist_entry_id(first.id).send();
    refused(accept().await, 409, "no_offer");
    cancel(&app, booked.id).await;
    let offered = offer(&app, first.id).await;
    app.appointment_set(offered.appointment_id, LAPSE).await;
    refused(accept().await, 409, "offer_expired");
    now(&app, "holds_expire").await;
    refused(accept().await, 409, "offer_expired");
    refused(staff.waitlist_entry_accept().waitlist_entry_id(9999).send().await, 404, "waitlist_entry_not_found");
    assert_eq!(app.count("select count(*) from appointments where status = 'scheduled'").await, 0);
}

#[tokio::test]
async fn who_leaves_passes_its_offer_on() {
    let (app, specialist) = start().await;
    let (booked, [first, second]) = two_wait(&app, specialist).await;
    cancel(&app, booked.id).await;
    let declined = offer(&app, first.id).await;
    let staff = app.staff();
    granted(staff.waitlist_entry_delete().waitlist_entry_id(first.id).send().await, 204);
    assert_eq!(offer(&app, second.id).await.started_at, declined.started_at);
    let released = granted(staff.appointment_get().appointment_id(declined.appointment_id).send().await, 200);
    assert_eq!(released.status, AppointmentStatus::Expired);
    refused(staff.waitlist_entry_delete().waitlist_entry_id(first.id).send().await, 404, "waitlist_entry_not_found");
    refused(staff.waitlist_entry_accept().waitlist_entry_id(first.id).send().await, 404, "waitlist_entry_not_found");
    let left = granted(staff.waitlist_entry_list().send().await, 200);
    assert_eq!(left.data.iter().map(|entry| entry.id).collect::<Vec<_>>(), [second.id]);
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
    // For what needs no specialty whoever is open will do, and one is enough.
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
    // A slot begins at 9 and at half past, but the range does not, or the patient is elsewhere.
    let (from, to) = (in_days(2, 9) + minutes(1), in_days(2, 11) + minutes(15));
    let entry = wait(&app.patient(), wish(specialist, None, from, to)).await;
    let offered = offer(&app, entry.id).await;
    assert_eq!(offered.started_at, in_days(2, 10));
    app.appointment_set(offered.appointment_id, LAPSE).await;
    now(&app, "waitlist_sweep").await;
    let last = offer(&app, entry.id).await;
    assert_eq!(last.started_at, in_days(2, 10) + minutes(30));
    // The next one would not be over in time.
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
    // Asked twice it finds nobody who waits.
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
async fn a_wish_names_something_and_a_time_to_come() {
    let (app, specialist) = start().await;
    let (staff, me, own) = (app.staff(), app.patient(), app.patient_record().await.id);
    let other = app.patient_create(&staff, "Ann", "Lee").await.id;
    let plain = wish(specialist, Some(own), in_days(2, 9), in_days(2, 10));
    let fields = async |actor: &Actor, body: CreateWaitlistEntry| {
        let refusal = refused(actor.waitlist_entry_create().body(body).send().await, 422, "validation_failed");
        refusal.fields().iter().map(|(pointer, rule)| format!("{pointer} {rule}")).collect::<Vec<_>>()
    };
    let nothing = CreateWaitlistEntry { specialist_id: None, ..plain.clone() };
    assert_eq!(fields(&staff, nothing).await, ["/specialist_id required", "/template_id required"]);
    for (from, to, said) in [
        (in_days(2, 9), in_days(2, 9), "/requested_to order"),
        (in_days(2, 9), in_days(369, 9), "/requested_to range"),
        (in_days(0, 0) - TimeDelta::days(3), in_days(0, 0) - TimeDelta::days(2), "/requested_to range"),
        (in_days(5000, 9), in_days(5001, 9), "/requested_from range"),
    ] {
        let body = CreateWaitlistEntry { requested_from: Some(from), requested_to: Some(to), ..plain.clone() };
        assert_eq!(fields(&staff, body).await, [said], "{from} {to}");
    }
    let archived = app.template_add(Template::of_minutes(30)).await;
    sqlx::query("update appointment_templates set archived_at = now()").execute(&mut app.owner().await).await.unwrap();
    let away = app.away().specialist_id;
    for (body, said) in [
        (CreateWaitlistEntry { patient_id: None, ..plain.clone() }, "/patient_id required"),
        (CreateWaitlistEntry { patient_id: Some(9999), ..plain.clone() }, "/patient_id unknown_reference"),
        (CreateWaitlistEntry { specialist_id: Some(away), ..plain.clone() }, "/specialist_id unknown_reference"),
        (CreateWaitlistEntry { template_id: Some(archived), ..plain.clone() }, "/template_id unknown_reference"),
    ] {
        assert_eq!(fields(&staff, body).await, [said]);
    }
    let of_other = CreateWaitlistEntry { patient_id: Some(other), ..plain.clone() };
    assert_eq!(fields(&me, of_other.clone()).await, ["/patient_id not_own"]);
    let denied = app.specialist().waitlist_entry_create().body(plain.clone()).send().await;
    refused(denied, 403, "permission_denied");

    // From now on for 90 days, if nothing else is said; and for the same thing once.
    let open = CreateWaitlistEntry { requested_from: None, requested_to: None, ..plain.clone() };
    let entry = wait(&me, CreateWaitlistEntry { patient_id: None, ..open }).await;
    assert_eq!((entry.patient_id, entry.requested_to - entry.requested_from), (own, TimeDelta::days(90)));
    assert!((entry.requested_from - entry.created_at).abs() < TimeDelta::minutes(1));
    refused(staff.waitlist_entry_create().body(plain.clone()).send().await, 409, "already_waiting");
    wait(&staff, of_other).await;
    let template_id = Some(app.template_add(Template::of_minutes(30)).await);
    wait(&staff, CreateWaitlistEntry { template_id, ..plain.clone() }).await;
    wait(&staff, CreateWaitlistEntry { template_id, specialist_id: None, ..plain.clone() }).await;
    sqlx::query(
        "update waitlist_entries set requested_from = now() - interval '2 days', requested_to = now()
                 where id = $1",
    )
    .bind(entry.id)
    .execute(&mut app.owner().await)
    .await
    .unwrap();
    settled(&app).await;
    sqlx::query("update appointments set hold_expires_at = now() where waitlist_entry_id = $1")
        .bind(entry.id)
        .execute(&mut app.owner().await)
        .await
        .unwrap();
    assert_eq!(self::entry(&app, entry.id).await.status, WaitlistStatus::Expired);
    wait(&staff, plain).await;

    let list = || staff.waitlist_entry_list();
    assert_eq!(granted(list().send().await, 200).meta.total, 5);
    assert_eq!(granted(list().patient_id(other).send().await, 200).meta.total, 1);
    assert_eq!(granted(list().specialist_id(specialist).send().await, 200).meta.total, 4);
    assert_eq!(granted(list().status(WaitlistStatus::Expired).send().await, 200).data[0].id, entry.id);
    let page = granted(list().page(2).page_size(2).send().await, 200);
    assert_eq!((page.meta.total, page.data.len()), (5, 2));
    let ids: Vec<i64> = granted(list().send().await, 200).data.iter().map(|entry| entry.id).collect();
    assert!(ids.is_sorted(), "who waits longest first: {ids:?}");
}

#[tokio::test]
async fn a_template_that_somebody_waits_for_is_archived() {
    let (app, _) = start().await;
    let (admin, patient) = (app.admin(), app.patient_record().await.id);
    let template = app.appointment_template_create(&admin, CoreApp::new_appointment_template("Talk")).await.id;
    let colleague = app.specialist_create(&admin, "Dr. Colleague").await.id;
    let body = CreateWaitlistEntry {
        template_id: Some(template),
        ..wish(colleague, Some(patient), in_days(2, 9), in_days(2, 10))
    };
    let entry = wait(&admin, body).await;
    granted(admin.appointment_template_delete().appointment_template_id(template).send().await, 204);
    let archived = granted(admin.appointment_template_get().appointment_template_id(template).send().await, 200);
    assert!(archived.archived_at.is_some());
    // What can be booked no more is not offered.
    app.works_always(colleague).await;
    now(&app, "waitlist_sweep").await;
    assert_eq!(self::entry(&app, entry.id).await.status, WaitlistStatus::Waiting);
}
