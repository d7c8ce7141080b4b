//! Links and bookings made during an erasure.

use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::{AssertSqlSafe, Connection};
use test_support::{ClerkApi, CoreApp, Role, eventually, granted, in_days};

use super::{clinic, count, finished};

#[tokio::test]
async fn a_record_that_is_linked_in_the_middle_goes_too() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, admin) = (&clinic.core, clinic.core.admin());
    let person = app.member_add(Role::Patient).await;
    let body = CoreApp::new_patient("Plantedfirst", "Plantedlast");
    let record = granted(admin.patient_create().body(body).send().await, 201);
    // The link is not committed yet: the plan doesn't see it, and the stage of records waits for it.
    let mut owner = app.owner().await;
    let mut linking = owner.begin().await.unwrap();
    let sql = format!("update patients set user_id = {} where id = {}", person.user_id, record.id);
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *linking).await.unwrap();
    let asked = granted(admin.gdpr_user_erase().user_id(person.user_id).send().await, 202);
    let waiting = "select count(*) from pg_stat_activity
                   where datname = current_database() and wait_event_type = 'Lock' and query like '%memberships%'";
    eventually("the erasure waits", CoreApp::PATIENCE, || async { app.count(waiting).await > 0 }).await;
    linking.commit().await.unwrap();
    finished(&admin, asked.job_id).await;
    assert_eq!(app.search("Plantedfirst").await, Vec::new());
    let shells = format!("select count(*) from patients where id = {} and erased_at is not null", record.id);
    assert_eq!(count(app, shells).await, 1);
}

#[tokio::test]
async fn nobody_books_for_an_erased_patient_however_they_race() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, admin) = (&clinic.core, clinic.core.admin());
    for round in 0..6_u32 {
        let body = CoreApp::new_patient("Plantedfirst", "Plantedlast");
        let patient = granted(admin.patient_create().body(body).send().await, 201).id;
        let erased = AtomicBool::new(false);
        let book = async |clerk_number: u32| {
            let (staff, mut booked, mut day) = (app.staff(), 0, 0);
            while !erased.load(Ordering::Relaxed) {
                day += 1;
                let at = in_days(u64::from(round * 400 + day % 400 + 1), 8 + clerk_number);
                let mut booking = CoreApp::new_appointment(app.home().specialist_id, patient, at);
                booking.title = Some("planted-title".to_owned());
                booked += u32::from(staff.appointment_create().body(booking).send().await.is_ok());
            }
            booked
        };
        let erase = async {
            let asked = granted(admin.gdpr_patient_erase().patient_id(patient).send().await, 202);
            finished(&admin, asked.job_id).await;
            erased.store(true, Ordering::Relaxed);
        };
        let (first, second, third, ()) = tokio::join!(book(0), book(1), book(2), erase);
        println!("{} bookings were made meanwhile", first + second + third);
        let left = format!("select count(*) from appointments where patient_id = {patient}");
        assert_eq!(count(app, left).await, 0, "a booking came in between");
    }
    assert_eq!(app.search("planted-title").await, Vec::new());
}
