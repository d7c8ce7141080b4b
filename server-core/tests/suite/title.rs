//! Titles: sealed in storage, and opened only for those who may see the appointment.

use chrono::{DateTime, TimeDelta, Utc};
use restartix_sdk::core::types::{
    BookAppointment, HoldAppointment, SeriesScope, UpdateAppointment, UpdateAppointmentSeries,
};
use sqlx::AssertSqlSafe;
use test_support::{CoreApp, granted, in_days, refused, until};

use crate::{profile::columns, series_change::unchanged};

const TITLE: &str = "planted-title";

fn titled(specialist: i64, patient: i64, at: DateTime<Utc>) -> restartix_sdk::core::types::CreateAppointment {
    let mut body = CoreApp::new_appointment(specialist, patient, at);
    body.title = Some(TITLE.to_owned());
    body
}

#[tokio::test]
async fn whoever_may_see_an_appointment_reads_its_title_and_the_database_does_not() {
    let app = CoreApp::start().await;
    let (staff, specialist, patient) = (app.staff(), app.home().specialist_id, app.patient_record().await.id);
    let body = titled(specialist, patient, in_days(2, 9));
    let booked = granted(staff.appointment_create().body(body).send().await, 201);
    assert_eq!(booked.title, TITLE);
    for actor in [app.admin(), app.staff(), app.specialist(), app.patient()] {
        let seen = granted(actor.appointment_get().appointment_id(booked.id).send().await, 200);
        assert_eq!(seen.title, TITLE);
        assert_eq!(granted(actor.appointment_find().uid(booked.uid).send().await, 200).title, TITLE);
        let listed = granted(actor.appointment_list().send().await, 200).data;
        assert_eq!(listed.iter().map(|of_list| of_list.title.as_str()).collect::<Vec<_>>(), [TITLE]);
    }
    refused(app.other_admin().appointment_get().appointment_id(booked.id).send().await, 404, "appointment_not_found");
    // The title survives other changes of the appointment.
    let confirmed = granted(staff.appointment_confirm().appointment_id(booked.id).send().await, 200);
    assert_eq!(confirmed.title, TITLE);
    assert_eq!(columns(&app, TITLE).await, ["public.appointments.title_encrypted"]);

    let change = |title: Option<&str>, version| UpdateAppointment {
        ended_at: booked.ended_at,
        patient_id: patient,
        specialist_id: specialist,
        specialty_id: None,
        started_at: booked.started_at,
        title: title.map(str::to_owned),
        version,
    };
    let renamed = change(Some("planted-other"), confirmed.version);
    let renamed = granted(staff.appointment_update().appointment_id(booked.id).body(renamed).send().await, 200);
    assert_eq!((renamed.title.as_str(), columns(&app, TITLE).await), ("planted-other", Vec::new()));
    let without = change(None, renamed.version);
    let without = granted(staff.appointment_update().appointment_id(booked.id).body(without).send().await, 200);
    assert_eq!((without.title.as_str(), columns(&app, "planted-other").await), ("", Vec::new()));
}

#[tokio::test]
async fn titles_of_holds_and_series_are_sealed_too() {
    let app = CoreApp::start().await;
    let (staff, specialist, patient) = (app.staff(), app.home().specialist_id, app.patient_record().await.id);
    app.schedule_set(&app.admin(), specialist, CoreApp::new_schedule()).await;
    let slots = staff.specialist_availability_get().specialist_id(specialist).from(in_days(1, 0)).to(in_days(9, 0));
    let slot = granted(slots.send().await, 200).data[0].started_at;
    let wanted =
        HoldAppointment { patient_id: Some(patient), specialist_id: specialist, started_at: slot, template_id: None };
    let held = granted(staff.appointment_hold_create().body(wanted).send().await, 201);
    let book = BookAppointment {
        hold_id: Some(held.id),
        patient_id: None,
        specialist_id: None,
        started_at: None,
        template_id: None,
        title: Some(TITLE.to_owned()),
    };
    assert_eq!(granted(staff.appointment_book().body(book).send().await, 201).title, TITLE);

    let mut series = CoreApp::new_series(specialist, patient, in_days(20, 9), CoreApp::daily(3));
    series.title = Some("planted-series".to_owned());
    let made = granted(staff.appointment_series_create().body(series).send().await, 201).series;
    let all = |series: &restartix_sdk::core::types::AppointmentSeries| {
        let own = series.appointments.iter().map(|appointment| appointment.title.clone());
        own.chain([series.title.clone()]).collect::<Vec<_>>()
    };
    assert_eq!(all(&made), vec!["planted-series"; 4]);
    let seen = granted(app.admin().appointment_series_get().appointment_series_id(made.id).send().await, 200);
    assert_eq!(all(&seen), vec!["planted-series"; 4]);
    let sealed = ["public.appointment_series.title_encrypted", "public.appointments.title_encrypted"];
    assert_eq!(columns(&app, "planted-series").await, sealed);

    // One has another title and keeps it when all of them move.
    let of_one = UpdateAppointmentSeries { title: Some(TITLE.to_owned()), ..unchanged(&seen, &seen.appointments[1]) };
    let update = staff.appointment_series_update().appointment_series_id(made.id).scope(SeriesScope::One);
    let named = granted(update.body(of_one).send().await, 200).series;
    let first = &named.appointments[0];
    let later = UpdateAppointmentSeries {
        started_at: first.started_at + TimeDelta::hours(1),
        ended_at: first.ended_at + TimeDelta::hours(1),
        ..unchanged(&named, first)
    };
    let update = staff.appointment_series_update().appointment_series_id(made.id).scope(SeriesScope::All);
    let moved = granted(update.body(later).send().await, 200).series;
    assert_eq!(all(&moved), ["planted-series", TITLE, "planted-series", "planted-series"]);
    let first = &moved.appointments[0];
    let renamed = UpdateAppointmentSeries { title: Some("planted-other".to_owned()), ..unchanged(&moved, first) };
    let update = staff.appointment_series_update().appointment_series_id(made.id).scope(SeriesScope::All);
    let renamed = granted(update.body(renamed).send().await, 200).series;
    assert_eq!(all(&renamed), vec!["planted-other"; 4]);
    assert_eq!(columns(&app, "planted-series").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_ciphertext_opens_in_its_own_row_alone() {
    let app = CoreApp::start().await;
    let (staff, specialist, patient) = (app.staff(), app.home().specialist_id, app.patient_record().await.id);
    let first = granted(staff.appointment_create().body(titled(specialist, patient, in_days(2, 9))).send().await, 201);
    let second = app.appointment_create(&staff, specialist, patient, in_days(3, 9)).await;
    let copy = format!(
        "update appointments set title_encrypted = (select title_encrypted from appointments where id = {}) where id = {}",
        first.id, second.id
    );
    sqlx::raw_sql(AssertSqlSafe(copy)).execute(&mut app.owner().await).await.unwrap();
    refused(staff.appointment_get().appointment_id(second.id).send().await, 500, "internal_error");
    assert!(!app.server.log().contains(TITLE));
}

#[tokio::test]
async fn titles_of_before_are_read_and_then_sealed_while_older_processes_write_them() {
    let app = CoreApp::start().await;
    let (staff, specialist, patient) = (app.staff(), app.home().specialist_id, app.patient_record().await.id);
    let at = |day| titled(specialist, patient, in_days(day, 9));
    let sealed = granted(staff.appointment_create().body(at(2)).send().await, 201);
    let erased = granted(staff.appointment_create().body(at(3)).send().await, 201);
    let mut owner = app.owner().await;
    // Writes of the previous version: a new row, a change of a sealed title, and an erasure.
    let older = [
        format!(
            "insert into appointments (organization_id, title, status, started_at, ended_at, block, specialist_id, patient_id)
             select {}, 'planted-older-' || n, 'completed', now(), now() + interval '1 hour', '[,)', {specialist}, {patient}
             from generate_series(1, 1100) n",
            app.home().id
        ),
        format!("update appointments set title = 'planted-change', version = version + 1 where id = {}", sealed.id),
        format!("update appointments set title = '' where id = {}", erased.id),
    ];
    for sql in older {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut owner).await.unwrap();
    }
    let title = async |id| granted(staff.appointment_get().appointment_id(id).send().await, 200).title;
    assert_eq!(title(sealed.id).await, "planted-change", "what an older process writes is what it is");
    assert_eq!(title(erased.id).await, "", "what an older process erases is erased");
    let of_before: i64 = sqlx::query_scalar("select id from appointments where title = 'planted-older-1100'")
        .fetch_one(&mut owner)
        .await
        .unwrap();
    assert_eq!(title(of_before).await, "planted-older-1100");

    let due = "update jobs set run_at = now() where kind = 'texts_seal' and state = 'queued'";
    sqlx::raw_sql(due).execute(&mut owner).await.unwrap();
    until("the older titles are sealed", CoreApp::PATIENCE, || async {
        (app.count("select count(*) from appointments where title <> ''").await == 0).then_some(())
    })
    .await;
    assert_eq!(title(of_before).await, "planted-older-1100");
    assert_eq!(title(sealed.id).await, "planted-change");
    assert_eq!(columns(&app, TITLE).await, Vec::<String>::new());
    let found = app.search("planted-older-").await;
    assert_eq!(
        found.iter().map(|place| (place.column.as_str(), place.rows)).collect::<Vec<_>>(),
        [("title_encrypted", 1100)]
    );
    assert_eq!(app.count("select count(*) from appointments where version > 2").await, 0, "sealing is no change");
}
