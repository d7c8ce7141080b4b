//! Many entries and many slots that become open at once, in several processes, of which some are killed.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use restartix_sdk::core::types::{CancelAppointment, CancellationReason, CreateWaitlistEntry};
use test_support::{Actor, CoreApp, Template, eventually, granted, in_days};

use crate::waitlist::{settled, wait, wish};

/// Number of entries and of slots.
const WAITING: i32 = 48;

/// Counts present offers.
const OFFERS: &str = "select count(*) from appointments where status = 'held' and waitlist_entry_id is not null";
/// Counts entries that have had more than one offer.
const DOUBLES: &str = "select count(*) from (select from appointments where waitlist_entry_id is not null
                                             group by waitlist_entry_id having count(*) > 1) d";
fn half_hour(place: usize) -> DateTime<Utc> {
    in_days(2, 0) + TimeDelta::minutes(30) * i32::try_from(place).unwrap()
}

/// Adds entries for a day that has as many slots.
async fn many_wait(app: &CoreApp, specialist: i64) {
    let staff = app.staff();
    let to = half_hour(usize::try_from(WAITING).unwrap());
    let patients = app.patients_add(WAITING).await;
    let waiting = patients.iter().map(|(_, patient)| wait(&staff, wish(specialist, Some(*patient), half_hour(0), to)));
    join_all(waiting).await;
    settled(app).await;
    assert_eq!(app.count(OFFERS).await, 0, "nothing is open yet");
}

#[tokio::test]
async fn each_gets_one_offer_and_each_slot_goes_to_one() {
    let app = CoreApp::start().await;
    let second = app.second_core().await;
    let (staff, specialist) = (app.staff(), app.home().specialist_id);
    app.works_always(specialist).await;
    let mut booked = Vec::new();
    for (place, (_, patient)) in app.patients_add(WAITING).await.into_iter().enumerate() {
        let mut body = CoreApp::new_appointment(specialist, patient, half_hour(place));
        body.ended_at = half_hour(place + 1);
        booked.push(granted(staff.appointment_create().body(body).send().await, 201).id);
    }
    many_wait(&app, specialist).await;
    let there = staff.at(&second.url());
    let cancelling = booked.iter().enumerate().map(async |(place, id)| {
        let actor = if place % 2 == 0 { &staff } else { &there };
        let body = CancelAppointment { reason: CancellationReason::Other };
        granted(actor.appointment_cancel().appointment_id(*id).body(body).send().await, 200);
    });
    join_all(cancelling).await;
    // Two concurrent searches may each find the other's slot taken; the next search finds the rest.
    let due = "update jobs set run_at = now() where kind = 'waitlist_sweep' and state = 'queued'";
    eventually("everybody is offered something", 3 * CoreApp::PATIENCE, || async {
        sqlx::query(due).execute(&mut app.owner().await).await.unwrap();
        app.count(OFFERS).await == i64::from(WAITING)
    })
    .await;
    settled(&app).await;
    assert_eq!((app.count(OFFERS).await, app.count(DOUBLES).await), (i64::from(WAITING), 0));
    assert_eq!(app.count("select count(*) from jobs where last_error is not null").await, 0);
}

/// Entries for any specialist, several of whom become free at once, so that their jobs compete for the same entries.
#[tokio::test]
async fn who_waits_for_anybody_is_offered_one_of_many() {
    let app = CoreApp::start().await;
    let second = app.second_core().await;
    let (staff, there) = (app.staff(), app.staff().at(&second.url()));
    let template_id = Some(app.template_add(Template::of_minutes(30)).await);
    let patients = app.patients_add(12).await;
    for (_, patient) in &patients {
        let anybody = CreateWaitlistEntry {
            specialist_id: None,
            template_id,
            ..wish(0, Some(*patient), half_hour(0), half_hour(2))
        };
        wait(&staff, anybody).await;
    }
    // Each of six specialists gets two slots by a change of its schedule; the searches are enqueued at once.
    for number in 0..6 {
        let id = app.specialist_create(&app.admin(), &format!("Dr. {number}")).await.id;
        app.works_always(id).await;
    }
    let looks = "insert into jobs (id, organization_id, kind, payload)
                 select gen_random_uuid(), organization_id, 'waitlist_offer', jsonb_build_object('specialist_id', id)
                 from specialists, generate_series(1, 4) where name like 'Dr. %'";
    sqlx::query(looks).execute(&mut app.owner().await).await.unwrap();
    let due = "update jobs set run_at = now() where kind = 'waitlist_sweep' and state = 'queued'";
    eventually("everybody is offered something", 3 * CoreApp::PATIENCE, || async {
        sqlx::query(due).execute(&mut app.owner().await).await.unwrap();
        app.count(OFFERS).await == 12
    })
    .await;
    settled(&app).await;
    assert_eq!((app.count(OFFERS).await, app.count(DOUBLES).await), (12, 0));

    // Some accept twice at once, some accept and delete their entry: each ends in one way.
    let entries = granted(staff.waitlist_entry_list().send().await, 200).data;
    let said = entries.iter().enumerate().map(async |(place, entry)| {
        let accept = async |actor: &Actor| actor.waitlist_entry_accept().waitlist_entry_id(entry.id).send().await;
        if place % 2 == 0 {
            let (one, other) = tokio::join!(accept(&staff), accept(&there));
            assert!(one.is_ok() != other.is_ok(), "one of two: {one:?} {other:?}");
        } else {
            let leave = there.waitlist_entry_delete().waitlist_entry_id(entry.id).send();
            let (accepted, left) = tokio::join!(accept(&staff), leave);
            granted(left, 204);
            let is_booked = "select status = 'scheduled' from appointments where id = $1";
            let offered = entry.offer.as_ref().unwrap().appointment_id;
            let booked: bool =
                sqlx::query_scalar(is_booked).bind(offered).fetch_one(&mut app.owner().await).await.unwrap();
            assert_eq!(accepted.is_ok(), booked, "{accepted:?}");
        }
    });
    join_all(said).await;
}

#[tokio::test]
async fn a_killed_process_leaves_each_with_one_offer() {
    let mut app = CoreApp::start().await;
    let specialist = app.home().specialist_id;
    many_wait(&app, specialist).await;
    app.works_always(specialist).await;
    sqlx::query(
        "insert into jobs (id, organization_id, kind, payload)
         values (gen_random_uuid(), $1, 'waitlist_offer', jsonb_build_object('specialist_id', $2::bigint))",
    )
    .bind(app.home().id)
    .bind(specialist)
    .execute(&mut app.owner().await)
    .await
    .unwrap();
    eventually("the job is at work", CoreApp::PATIENCE, || async { app.count(OFFERS).await > 0 }).await;
    app.server.kill();
    let offered = app.count(OFFERS).await;
    assert!(offered < i64::from(WAITING), "killed in the midst of it");
    // Its job is taken over when its lease ends; the test does not wait for that.
    let ended = "update jobs set leased_until = now() where state = 'running'";
    sqlx::query(ended).execute(&mut app.owner().await).await.unwrap();
    app.server.start().await;
    eventually("the rest is offered", CoreApp::PATIENCE, || async { app.count(OFFERS).await == i64::from(WAITING) })
        .await;
    settled(&app).await;
    assert_eq!((app.count(OFFERS).await, app.count(DOUBLES).await), (i64::from(WAITING), 0));
    let audited =
        "select count(distinct entity_id) from audit_log where action = 'offered' and entity_type = 'waitlist_entry'";
    assert_eq!(app.count(audited).await, i64::from(WAITING));
}
