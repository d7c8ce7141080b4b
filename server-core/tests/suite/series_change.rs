//! `/v1/appointment-series/{id}` changed and cancelled: one of its appointments, it and those after it, or all.

use chrono::{DateTime, TimeDelta, Timelike as _, Utc};
use chrono_tz::Europe::Berlin;
use futures_util::future::join_all;
use restartix_sdk::core::types::{
    Appointment, AppointmentSeries, AppointmentSeriesResult, AppointmentStatus, CancelAppointmentSeries,
    CancellationReason, ConflictReason, OnConflict, RescheduleAppointment, SeriesScope, UpdateAppointmentSeries,
};
use test_support::{Actor, CoreApp, Template, granted, in_days, refused};

use crate::{
    appointment_race::outcome,
    booking_race::OVERLAPS,
    series::{booked, starts},
};

struct Clinic {
    app: CoreApp,
    staff: Actor,
    specialist: i64,
    patient: i64,
}

impl Clinic {
    async fn start() -> Self {
        let app = CoreApp::start().await;
        let staff = app.staff();
        let patient = app.patient_create(&staff, "Ann", "Lee").await.id;
        Self { staff, specialist: app.home().specialist_id, patient, app }
    }

    /// One of an hour on each of so many weeks.
    async fn weekly(&self, first: DateTime<Utc>, count: i32) -> AppointmentSeries {
        booked(&self.staff, CoreApp::new_series(self.specialist, self.patient, first, CoreApp::weekly(count))).await
    }

    async fn get(&self, series: &AppointmentSeries) -> AppointmentSeries {
        granted(self.staff.appointment_series_get().appointment_series_id(series.id).send().await, 200)
    }

    async fn update(
        &self,
        series: &AppointmentSeries,
        scope: SeriesScope,
        body: UpdateAppointmentSeries,
    ) -> AppointmentSeriesResult {
        let update = self.staff.appointment_series_update().appointment_series_id(series.id).scope(scope);
        granted(update.body(body).send().await, 200)
    }

    async fn cancel(&self, series: &AppointmentSeries, scope: SeriesScope, from: Option<i64>) -> AppointmentSeries {
        let body = CancelAppointmentSeries { appointment_id: from, reason: CancellationReason::PatientRequest };
        let cancel = self.staff.appointment_series_cancel().appointment_series_id(series.id).scope(scope);
        granted(cancel.body(body).send().await, 200)
    }
}

/// A change that leaves an appointment of the series as it is.
fn unchanged(series: &AppointmentSeries, of: &Appointment) -> UpdateAppointmentSeries {
    UpdateAppointmentSeries {
        appointment_id: of.id,
        ended_at: of.ended_at,
        specialist_id: of.specialist_id,
        specialty_id: of.specialty_id,
        started_at: of.started_at,
        title: Some(of.title.clone()),
        version: series.version,
    }
}

/// One that moves it.
fn shifted(series: &AppointmentSeries, of: &Appointment, by: TimeDelta) -> UpdateAppointmentSeries {
    let ended_at = of.ended_at + by;
    UpdateAppointmentSeries { started_at: of.started_at + by, ended_at, ..unchanged(series, of) }
}

fn ids(series: &AppointmentSeries) -> Vec<i64> {
    series.appointments.iter().map(|appointment| appointment.id).collect()
}

/// What became of each, earliest first.
fn states(series: &AppointmentSeries) -> Vec<AppointmentStatus> {
    series.appointments.iter().map(|appointment| appointment.status).collect()
}

#[tokio::test]
async fn a_series_moves_to_where_its_next_ones_were() {
    let clinic = Clinic::start().await;
    let series = clinic.weekly(in_days(3, 9), 6).await;
    let second = &series.appointments[1];
    let week = TimeDelta::days(7);
    let moved = clinic.update(&series, SeriesScope::Following, shifted(&series, second, week)).await;
    assert_eq!(moved.skipped, []);
    let expected: Vec<_> = (0..6).map(|place| if place == 0 { 0 } else { place + 1 }).collect();
    let hour_of = |at: DateTime<Utc>| at.with_timezone(&Berlin).hour();
    let at: Vec<_> = starts(&moved.series).iter().map(|at| at.with_timezone(&Berlin).date_naive()).collect();
    let first = series.started_at.with_timezone(&Berlin).date_naive();
    assert_eq!(at, expected.iter().map(|weeks| first + week * *weeks).collect::<Vec<_>>());
    assert!(starts(&moved.series).iter().all(|at| hour_of(*at) == hour_of(series.started_at)), "by the clock");
    assert_eq!(ids(&moved.series), ids(&series));
    let sequences: Vec<_> = moved.series.appointments.iter().map(|one| (one.sequence, one.version)).collect();
    assert_eq!(sequences, [(0, 1), (1, 2), (1, 2), (1, 2), (1, 2), (1, 2)]);
    assert_eq!(clinic.get(&series).await, moved.series);
    assert_eq!(moved.series.version, series.version + 6, "the series and five of its appointments");
    let staff = &clinic.staff;
    let history = granted(staff.appointment_reschedule_list().appointment_id(second.id).send().await, 200);
    let [one] = &history.data[..] else { panic!("one move: {history:?}") };
    assert_eq!((one.from_started_at, one.to_started_at), (second.started_at, second.started_at + week));
    assert_eq!(clinic.app.count(OVERLAPS).await, 0);
}

#[tokio::test]
async fn what_changes_of_one_changes_of_the_others_and_the_rest_stays() {
    let clinic = Clinic::start().await;
    let (app, staff) = (&clinic.app, &clinic.staff);
    let colleague = app.specialist_create(&app.admin(), "Dr. Colleague").await.id;
    let series = clinic.weekly(in_days(3, 9), 4).await;
    // One of them has another time, which it keeps when only the title changes.
    let third = series.appointments[2].id;
    let later = series.appointments[2].started_at + TimeDelta::hours(3);
    let body = RescheduleAppointment { specialist_id: None, started_at: later, version: None };
    granted(staff.appointment_reschedule().appointment_id(third).body(body).send().await, 200);
    // Who had read it before has not seen that.
    let first = &series.appointments[0];
    let update = |body| {
        staff.appointment_series_update().appointment_series_id(series.id).scope(SeriesScope::All).body(body).send()
    };
    let stale = UpdateAppointmentSeries { title: Some("Knee".to_owned()), ..unchanged(&series, first) };
    let refusal = refused(update(stale).await, 409, "stale_version");
    let series = clinic.get(&series).await;
    assert_eq!(refusal.details["version"], series.version);

    let body = UpdateAppointmentSeries { title: Some("Knee".to_owned()), ..unchanged(&series, first) };
    let named = granted(update(body).await, 200).series;
    assert_eq!(starts(&named), starts(&series));
    assert_eq!(named.title, "Knee");
    for (after, before) in named.appointments.iter().zip(&series.appointments) {
        assert_eq!((after.title.as_str(), after.sequence), ("Knee", before.sequence), "calendars need not follow");
    }
    // A colleague takes over, half an hour longer.
    let half = TimeDelta::minutes(30);
    let body = UpdateAppointmentSeries {
        specialist_id: colleague,
        ended_at: first.ended_at + half,
        ..unchanged(&named, first)
    };
    let taken_over = granted(update(body).await, 200).series;
    assert_eq!((starts(&taken_over), taken_over.specialist_id), (starts(&named), colleague));
    for one in &taken_over.appointments {
        assert_eq!((one.specialist_id, one.ended_at - one.started_at), (colleague, TimeDelta::minutes(90)));
    }
    // One alone.
    let second = taken_over.appointments[1].clone();
    let body = shifted(&taken_over, &second, -half);
    let alone = clinic.update(&series, SeriesScope::One, body).await.series;
    let moved: Vec<_> =
        starts(&alone).into_iter().zip(starts(&taken_over)).map(|(after, before)| after - before).collect();
    assert_eq!(moved, [TimeDelta::zero(), -half, TimeDelta::zero(), TimeDelta::zero()]);
}

#[tokio::test]
async fn what_can_not_move_stays_and_the_whole_does_unless_asked() {
    let clinic = Clinic::start().await;
    let (app, staff) = (&clinic.app, &clinic.staff);
    let tom = app.patient_create(staff, "Tom", "Moe").await.id;
    let series = clinic.weekly(in_days(3, 9), 4).await;
    let two = TimeDelta::hours(2);
    // In the way of the third.
    let third = &series.appointments[2];
    app.appointment_create(staff, clinic.specialist, tom, third.started_at + two).await;
    let body = || shifted(&series, &series.appointments[0], two);
    let update = || staff.appointment_series_update().appointment_series_id(series.id).scope(SeriesScope::All);
    let refusal = refused(update().body(body()).send().await, 409, "series_conflict");
    assert_eq!(refusal.details["conflicts"].as_array().map(Vec::len), Some(1));
    assert_eq!(refusal.details["conflicts"][0]["appointment_id"], third.id);
    assert_eq!(clinic.get(&series).await, series);

    let part = granted(update().on_conflict(OnConflict::Skip).body(body()).send().await, 200);
    let [conflict] = &part.skipped[..] else { panic!("one conflict: {part:?}") };
    assert_eq!((conflict.appointment_id, conflict.reason), (Some(third.id), ConflictReason::SlotTaken));
    assert_eq!(conflict.started_at, third.started_at + two);
    let moved: Vec<_> =
        starts(&part.series).into_iter().zip(starts(&series)).map(|(after, before)| after - before).collect();
    assert_eq!(moved, [two, two, TimeDelta::zero(), two]);

    // Whoever is named has to be of the series, and still to come.
    let stranger = app.appointment_create(staff, clinic.specialist, tom, in_days(2, 9)).await;
    let mut unknown = unchanged(&part.series, &part.series.appointments[0]);
    unknown.appointment_id = stranger.id;
    let refusal = refused(update().body(unknown).send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/appointment_id", "unknown_reference")]);
    let over = part.series.appointments[1].id;
    app.appointment_set(over, "status = 'completed'").await;
    let mut late = unchanged(&part.series, &part.series.appointments[1]);
    late.appointment_id = over;
    let refusal = refused(update().body(late).send().await, 409, "invalid_transition");
    assert_eq!(refusal.details["from"], "completed");
}

#[tokio::test]
async fn a_series_is_called_off_one_from_one_on_or_all() {
    use AppointmentStatus::{Cancelled, Completed, Scheduled};
    let clinic = Clinic::start().await;
    let series = clinic.weekly(in_days(3, 9), 5).await;
    let all = ids(&series);
    clinic.app.appointment_set(all[0], "status = 'completed'").await;
    let without_one = clinic.cancel(&series, SeriesScope::One, Some(all[2])).await;
    assert_eq!(states(&without_one), [Completed, Scheduled, Cancelled, Scheduled, Scheduled]);
    let cancelled = &without_one.appointments[2];
    assert_eq!((cancelled.cancellation_reason, cancelled.sequence), (Some(CancellationReason::PatientRequest), 1));
    let without_rest = clinic.cancel(&series, SeriesScope::Following, Some(all[2])).await;
    assert_eq!(states(&without_rest), [Completed, Scheduled, Cancelled, Cancelled, Cancelled]);
    let without_any = clinic.cancel(&series, SeriesScope::All, None).await;
    assert_eq!(states(&without_any), [Completed, Cancelled, Cancelled, Cancelled, Cancelled]);
    assert_eq!(clinic.get(&series).await, without_any);

    let cancel = |scope, appointment_id| {
        let body = CancelAppointmentSeries { appointment_id, reason: CancellationReason::Other };
        clinic.staff.appointment_series_cancel().appointment_series_id(series.id).scope(scope).body(body).send()
    };
    refused(cancel(SeriesScope::All, None).await, 409, "already_cancelled");
    refused(cancel(SeriesScope::One, Some(all[1])).await, 409, "already_cancelled");
    let refusal = refused(cancel(SeriesScope::One, Some(all[0])).await, 409, "invalid_transition");
    assert_eq!(refusal.details["from"], "completed");
    let refusal = refused(cancel(SeriesScope::Following, None).await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/appointment_id", "required")]);
    assert_eq!(clinic.get(&series).await, without_any, "refused, nothing changes");
    // What it left is free.
    let again = clinic.weekly(in_days(10, 9), 4).await;
    assert_eq!(starts(&again), starts(&series)[1..]);
}

#[tokio::test]
async fn a_specialist_changes_its_own_alone() {
    let clinic = Clinic::start().await;
    let (app, me) = (&clinic.app, clinic.app.specialist());
    let colleague = app.specialist_create(&app.admin(), "Dr. Colleague").await.id;
    let series = clinic.weekly(in_days(3, 9), 3).await;
    let body = RescheduleAppointment { specialist_id: Some(colleague), started_at: in_days(5, 9), version: None };
    let given = series.appointments[1].id;
    granted(clinic.staff.appointment_reschedule().appointment_id(given).body(body).send().await, 200);
    let mine = granted(me.appointment_series_get().appointment_series_id(series.id).send().await, 200);
    assert_eq!(ids(&mine), [ids(&series)[0], ids(&series)[2]]);
    assert_eq!(mine.version, clinic.get(&series).await.version, "the version is the same for everybody");
    let update = |body| {
        me.appointment_series_update().appointment_series_id(series.id).scope(SeriesScope::All).body(body).send()
    };
    let mut away = unchanged(&mine, &mine.appointments[0]);
    away.specialist_id = colleague;
    let refusal = refused(update(away).await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/specialist_id", "not_own")]);
    let moved = granted(update(shifted(&mine, &mine.appointments[0], TimeDelta::hours(1))).await, 200).series;
    assert_eq!(moved.appointments.len(), 2);
    let theirs = granted(clinic.staff.appointment_get().appointment_id(given).send().await, 200);
    assert_eq!((theirs.specialist_id, theirs.started_at), (colleague, in_days(5, 9)));
    // The colleague's is called off by the clinic, not by one who has nothing to do with it any more.
    let body = CancelAppointmentSeries { appointment_id: Some(given), reason: CancellationReason::Other };
    let cancel = me.appointment_series_cancel().appointment_series_id(series.id).scope(SeriesScope::One);
    refused(cancel.body(body).send().await, 422, "validation_failed");
}

/// Series that move into each other's times at once, while single appointments of theirs are cancelled and
/// moved: nothing overlaps, nobody deadlocks.
#[tokio::test]
async fn series_that_cross_never_overlap() {
    let clinic = Clinic::start().await;
    let (app, staff) = (&clinic.app, &clinic.staff);
    let template = app.template_add(Template { buffers: Some((10, 10)), ..Template::of_minutes(40) }).await;
    let mut series = Vec::new();
    for (number, hour) in (0..4).zip([8, 9, 10, 11]) {
        let patient = app.patient_create(staff, "Ann", &format!("No {number}")).await.id;
        let mut body = CoreApp::new_series(clinic.specialist, patient, in_days(3, hour), CoreApp::daily(8));
        (body.ended_at, body.template_id) = (None, Some(template));
        series.push(booked(staff, body).await);
    }
    for round in 0..6 {
        for one in &mut series {
            *one = clinic.get(one).await;
        }
        let by = TimeDelta::minutes(if round % 2 == 0 { 60 } else { -60 });
        let updates = series.iter().map(async |one| {
            let first = one.appointments.iter().find(|first| first.status == AppointmentStatus::Scheduled).unwrap();
            let update = staff.appointment_series_update().appointment_series_id(one.id).scope(SeriesScope::All);
            let update = update.on_conflict(OnConflict::Skip).body(shifted(one, first, by));
            outcome(update.send().await).await
        });
        let singles = series.iter().map(async |one| {
            let last = one.appointments.iter().rfind(|last| last.status == AppointmentStatus::Scheduled).unwrap();
            let body =
                RescheduleAppointment { specialist_id: None, started_at: last.started_at + by / 2, version: None };
            outcome(staff.appointment_reschedule().appointment_id(last.id).body(body).send().await).await
        });
        let (changed, moved) = tokio::join!(join_all(updates), join_all(singles));
        let allowed = ["200", "409 series_conflict", "409 slot_taken", "409 stale_version"];
        for said in changed.iter().chain(&moved) {
            assert!(allowed.contains(&said.as_str()), "round {round}: {said}");
        }
        assert_eq!(app.count(OVERLAPS).await, 0, "round {round}");
    }
    let kept = "select count(*) from appointments where status = 'scheduled'";
    assert_eq!(app.count(kept).await, 32, "moved or not, each is there");
}
