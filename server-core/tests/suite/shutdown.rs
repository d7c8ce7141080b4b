//! Shutdown and death of a process.

use std::time::Duration;

use test_support::{CoreApp, Kind, granted, in_days, until};

const DRAIN: Duration = Duration::from_secs(15);

#[tokio::test]
async fn a_request_in_flight_finishes_and_the_process_exits_with_0() {
    let mut app = CoreApp::builder().proxied().start().await;
    let staff = app.staff();
    let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
    let specialist = app.home().specialist_id;
    // After this request the organization's key is open, so that a booking uses the application's pool alone.
    app.appointment_create(&staff, specialist, patient, in_days(3, 9)).await;
    app.proxy().hold();
    let booking = {
        let staff = staff.clone();
        tokio::spawn(async move {
            let body = CoreApp::new_appointment(specialist, patient, in_days(2, 9));
            staff.appointment_create().body(body).send().await
        })
    };
    until("the request waits for PostgreSQL", CoreApp::PATIENCE, || async {
        app.proxy().holds(Kind::Core.app()).then_some(())
    })
    .await;
    let url = app.url();
    app.server.terminate();
    until("new connections are refused", DRAIN, || async {
        let http = reqwest::Client::builder().build().unwrap();
        http.get(format!("{url}/health")).send().await.is_err().then_some(())
    })
    .await;
    assert!(!booking.is_finished(), "the request is still in flight");
    app.proxy().open();
    let booked = granted(booking.await.unwrap(), 201);
    assert_eq!(app.server.wait(DRAIN).await.code(), Some(0));
    let stored: i64 =
        sqlx::query_scalar("select max(id) from appointments").fetch_one(&mut app.owner().await).await.unwrap();
    assert_eq!(stored, booked.id);
    // After a restart the data is still there.
    app.server.start().await;
    granted(staff.appointment_get().appointment_id(booked.id).send().await, 200);
}

#[tokio::test]
async fn an_idle_process_stops_at_once() {
    // The limit is far longer than the test waits, so an idle process that drains anyway is noticed.
    let mut app = CoreApp::builder().env("SHUTDOWN_TIMEOUT", "5m").start().await;
    granted(app.staff().me_get().send().await, 200);
    let told = std::time::Instant::now();
    app.server.stop().await;
    assert!(told.elapsed() < Duration::from_secs(30), "it took {:?}", told.elapsed());
}

#[tokio::test]
async fn a_killed_process_leaves_nothing_half_done() {
    let mut app = CoreApp::start().await;
    let staff = app.staff();
    let mut patients = Vec::new();
    for number in 0..8 {
        patients.push(app.patient_create(&staff, "Ann", &format!("Number{number}")).await.id);
    }
    let specialist = app.home().specialist_id;
    let bookings = patients.iter().enumerate().map(|(number, patient)| {
        let (staff, patient, day) = (staff.clone(), *patient, 2 + number as u64);
        tokio::spawn(async move {
            let body = CoreApp::new_appointment(specialist, patient, in_days(day, 9));
            staff.appointment_create().body(body).send().await.is_ok()
        })
    });
    let bookings: Vec<_> = bookings.collect();
    until("the first booking is stored", CoreApp::PATIENCE, || async {
        (app.count("select count(*) from appointments").await > 0).then_some(())
    })
    .await;
    app.server.kill();
    let mut answered = 0;
    for booking in bookings {
        answered += i64::from(booking.await.unwrap());
    }
    let stored = app.count("select count(*) from appointments").await;
    let audited = app.count("select count(*) from audit_log where entity_type = 'appointment'").await;
    assert_eq!(stored, audited, "each appointment with its audit row, or neither");
    assert!(stored >= answered, "{answered} were answered 201, {stored} are there");
    app.server.start().await;
    let listed = granted(app.staff().appointment_list().send().await, 200);
    assert_eq!(listed.meta.total, stored);
}
