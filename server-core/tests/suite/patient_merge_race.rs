//! Merges beside bookings and beside each other: whatever comes first, nothing is left with the merged record.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use futures_util::future::join_all;
use restartix_sdk::core::types::{CancelAppointment, CancellationReason, Patient};
use sqlx::{AssertSqlSafe, Connection};
use test_support::{CoreApp, eventually, granted, in_days};

use crate::{
    appointment_race::{outcome, outcomes},
    booking_race::OVERLAPS,
    patient_merge::{merging, twice},
};

/// Appointments that a merged record has left; deleted ones may stay with it.
const LEFT: &str = "select count(*) from appointments a join patient_merges m on m.patient_id = a.patient_id
                    where a.deleted_at is null";

#[tokio::test]
async fn nothing_is_booked_for_a_merged_record_however_they_race() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let colleague = app.specialist_create(&admin, "Dr. Colleague").await.id;
    for round in 0..6_u32 {
        let (stays, goes) = twice(&app).await;
        let merged = AtomicBool::new(false);
        // Two book for the record that goes and one for the record that stays, at other times, and cancel some of it.
        let book = async |number: u32, specialist: i64, patient: i64| {
            let (staff, mut said, mut day) = (app.staff(), BTreeMap::<String, u32>::new(), 0);
            while !merged.load(Ordering::Relaxed) {
                day += 1;
                let at = in_days(u64::from(round * 400 + day % 400 + 1), 8 + number);
                let body = CoreApp::new_appointment(specialist, patient, at);
                let answer = staff.appointment_create().body(body).send().await;
                let booked = answer.as_ref().ok().map(|booked| booked.id);
                *said.entry(outcome(answer).await).or_default() += 1;
                if let Some(id) = booked.filter(|id| id % 3 == 0) {
                    let body = CancelAppointment { reason: CancellationReason::Other };
                    let cancel = staff.appointment_cancel().appointment_id(id).body(body).send().await;
                    *said.entry(outcome(cancel).await).or_default() += 1;
                }
            }
            said
        };
        let merge = async {
            let made = admin.patient_merge().patient_id(stays.id).body(merging(&stays, &goes)).send().await;
            merged.store(true, Ordering::Relaxed);
            granted(made, 200)
        };
        let own = app.home().specialist_id;
        let (first, second, third, _) =
            tokio::join!(book(0, own, goes.id), book(1, colleague, goes.id), book(2, own, stays.id), merge);
        for said in [first, second, third] {
            // No deadlock and no error: a booking is made, or finds no patient.
            let known = |outcome: &String| ["200", "201", "422 validation_failed"].contains(&outcome.as_str());
            assert!(said.keys().all(known), "{said:?}");
        }
        assert_eq!(app.count(LEFT).await, 0, "a booking came in between");
    }
    assert_eq!(app.count(OVERLAPS).await, 0);
}

#[tokio::test]
async fn merges_at_once_are_one() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    for _ in 0..6 {
        // The same merge several times, and the opposite one.
        let (one, other) = twice(&app).await;
        let same = || admin.patient_merge().patient_id(one.id).body(merging(&one, &other)).send();
        let opposite = || admin.patient_merge().patient_id(other.id).body(merging(&other, &one)).send();
        let (there, back) = tokio::join!(join_all((0..4).map(|_| same())), join_all((0..4).map(|_| opposite())));
        let said = [outcomes(there).await, outcomes(back).await];
        let four = |outcome: &str| BTreeMap::from([(outcome.to_owned(), 4)]);
        let (won, lost) = (four("200"), four("404 patient_merged"));
        assert!(said == [won.clone(), lost.clone()] || said == [lost, won], "{said:?}");
    }
    assert_eq!(app.count("select count(*) from patient_merges").await, 6);
    let audited = "select count(*) from audit_log where action in ('merged', 'merged_away') and outcome = 'succeeded'";
    assert_eq!(app.count(audited).await, 12, "a repetition leaves nothing");
    // A chain in any order leads to one patient or is refused.
    let (first, second) = twice(&app).await;
    let (third, _) = twice(&app).await;
    let merge = |into: &Patient, of: &Patient| admin.patient_merge().patient_id(into.id).body(merging(into, of)).send();
    let _ = tokio::join!(merge(&first, &second), merge(&second, &third), merge(&third, &first));
    let circles = "select count(*) from patient_merges m join patient_merges o on o.patient_id = m.owner_id";
    assert_eq!(app.count(circles).await, 0, "an owner is merged into nobody");
}

#[tokio::test]
async fn a_merge_waits_for_the_bookings_of_either_calendar() {
    let app = CoreApp::start().await;
    let (admin, home, specialist) = (app.admin(), app.home().id, app.home().specialist_id);
    for calendar in 0..3 {
        let (stays, goes) = twice(&app).await;
        app.appointment_create(&admin, specialist, goes.id, in_days(2 + calendar, 9)).await;
        let name = match calendar {
            0 => format!("specialist:{home}:{specialist}"),
            1 => format!("patient:{home}:{}", stays.id),
            _ => format!("patient:{home}:{}", goes.id),
        };
        let mut owner = app.owner().await;
        let mut booking = owner.begin().await.unwrap();
        let lock = format!("select pg_advisory_xact_lock(hashtextextended('{name}', 0))");
        sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut *booking).await.unwrap();
        let merge = async {
            granted(admin.patient_merge().patient_id(stays.id).body(merging(&stays, &goes)).send().await, 200);
        };
        let release = async {
            let waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted
                             and database = (select oid from pg_database where datname = current_database())";
            eventually("the merge waits", CoreApp::PATIENCE, || async { app.count(waiting).await == 1 }).await;
            booking.rollback().await.unwrap();
        };
        tokio::join!(merge, release);
    }
}
