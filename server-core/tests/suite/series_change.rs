//! `/v1/appointment-series/{id}`: changes and cancellations of one appointment, of following ones, or of all.

use chrono::{DateTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Europe::Berlin;
use futures_util::future::join_all;
use restartix_sdk::core::types::{
    Appointment, AppointmentSeries, AppointmentSeriesResult, AppointmentStatus, CancelAppointment,
    CancelAppointmentSeries, CancellationReason, ConflictReason, OnConflict, RescheduleAppointment, ScheduleException,
    ScheduleExceptionKind, SeriesScope, UpdateAppointmentSeries, UpdateSpecialistSchedule,
};
use serde_json::json;
use test_support::{Actor, CoreApp, Template, granted, in_days, refused, until};

use crate::{
    appointment_race::outcome,
    booking_race::OVERLAPS,
    series::{booked, next_year, specialist, starts},
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
        // Home's specialist is in a zone without changes of the clocks.
        let zone = "update specialists set timezone = 'Etc/UTC' where id = $1";
        let specialist = app.home().specialist_id;
        sqlx::query(zone).bind(specialist).execute(&mut app.owner().await).await.unwrap();
        Self { app, staff, specialist, patient }
    }

    /// Books a weekly series of appointments of an hour.
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

/// Returns a change that leaves an appointment of the series as it is.
pub(crate) fn unchanged(series: &AppointmentSeries, of: &Appointment) -> UpdateAppointmentSeries {
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

/// Returns a change that moves an appointment.
fn shifted(series: &AppointmentSeries, of: &Appointment, by: TimeDelta) -> UpdateAppointmentSeries {
    let ended_at = of.ended_at + by;
    UpdateAppointmentSeries { started_at: of.started_at + by, ended_at, ..unchanged(series, of) }
}

fn ids(series: &AppointmentSeries) -> Vec<i64> {
    series.appointments.iter().map(|appointment| appointment.id).collect()
}

/// Returns the status of each appointment, earliest first.
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
    let expected = [0, 2, 3, 4, 5, 6].map(|weeks| series.started_at + week * weeks);
    assert_eq!(starts(&moved.series), expected);
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
async fn a_series_moves_by_the_clock() {
    let clinic = Clinic::start().await;
    // The clocks go forward from two to three on the last Sunday of March.
    let specialist = specialist(&clinic.app, "Europe/Berlin").await;
    let local = |month, day, hour| {
        let at = next_year(month, day).and_hms_opt(hour, 30, 0).unwrap();
        Berlin.from_local_datetime(&at).single().unwrap().to_utc()
    };
    let body = CoreApp::new_series(specialist, clinic.patient, local(3, 20, 4), CoreApp::daily(16));
    let series = booked(&clinic.staff, body).await;
    // The first one moves to half past two on a day without a change; for one of the others that local time does not
    // exist.
    let first = &series.appointments[0];
    let by = local(3, 20, 2) - local(3, 20, 4);
    let update = clinic.staff.appointment_series_update().appointment_series_id(series.id).scope(SeriesScope::All);
    let moved = update.on_conflict(OnConflict::Skip).body(shifted(&series, first, by)).send().await;
    let moved = granted(moved, 200);
    let [left_out] = &moved.skipped[..] else { panic!("clocks leave one out: {:?}", moved.skipped) };
    assert_eq!(left_out.reason, ConflictReason::TimeSkipped);
    for (after, before) in moved.series.appointments.iter().zip(&series.appointments) {
        let clock = |at: DateTime<Utc>| at.with_timezone(&Berlin).naive_local();
        let was = clock(before.started_at);
        let wanted = if Some(after.id) == left_out.appointment_id { was } else { was - TimeDelta::hours(2) };
        assert_eq!(clock(after.started_at), wanted);
        assert_eq!(after.ended_at - after.started_at, TimeDelta::hours(1));
    }
}

#[tokio::test]
async fn a_series_does_not_move_where_its_specialist_is_away_or_into_the_past() {
    let clinic = Clinic::start().await;
    let series = clinic.weekly(in_days(3, 9), 3).await;
    let away = ScheduleException {
        kind: ScheduleExceptionKind::Unavailable,
        starts_at: in_days(11, 0).format("%Y-%m-%dT00:00").to_string(),
        ends_at: in_days(12, 0).format("%Y-%m-%dT00:00").to_string(),
    };
    let schedule = UpdateSpecialistSchedule { exceptions: vec![away], ..CoreApp::new_schedule() };
    clinic.app.schedule_set(&clinic.app.admin(), clinic.specialist, schedule).await;
    let reasons = async |of: usize, by| {
        let update = clinic.staff.appointment_series_update().appointment_series_id(series.id).scope(SeriesScope::All);
        let refusal =
            refused(update.body(shifted(&series, &series.appointments[of], by)).send().await, 409, "series_conflict");
        let conflicts = refusal.details["conflicts"].as_array().unwrap().clone();
        conflicts.into_iter().map(|one| (one["appointment_id"].clone(), one["reason"].clone())).collect::<Vec<_>>()
    };
    let of = |place: usize, reason: &str| (json!(series.appointments[place].id), json!(reason));
    assert_eq!(reasons(0, TimeDelta::days(1)).await, [of(1, "specialist_away")]);
    // The named one moves five days back, into the future still; the first one would move into the past.
    assert_eq!(reasons(1, TimeDelta::days(-5)).await, [of(0, "time_past")]);
    assert_eq!(clinic.get(&series).await, series);
}

#[tokio::test]
async fn a_series_is_whose_it_is_to_come() {
    let clinic = Clinic::start().await;
    let (app, staff, me) = (&clinic.app, &clinic.staff, clinic.app.specialist());
    let colleague = app.specialist_create(&app.admin(), "Dr. Colleague").await.id;
    let series = clinic.weekly(in_days(3, 9), 4).await;
    // One appointment goes to another specialist. Later changes of other fields leave that as it is.
    let once = series.appointments[2].id;
    let at = series.appointments[2].started_at;
    let body = RescheduleAppointment { specialist_id: Some(colleague), started_at: at, version: None };
    granted(staff.appointment_reschedule().appointment_id(once).body(body).send().await, 200);
    let given = clinic.get(&series).await;
    let moved = clinic
        .update(&series, SeriesScope::All, shifted(&given, &given.appointments[2], TimeDelta::hours(1)))
        .await
        .series;
    assert_eq!(moved.specialist_id, clinic.specialist);
    let theirs: Vec<_> = moved.appointments.iter().map(|one| one.specialist_id == colleague).collect();
    assert_eq!(theirs, [false, false, true, false]);
    // The colleague takes over the second half.
    let over = "started_at = started_at - interval '9 days', ended_at = ended_at - interval '9 days',
                block = tstzrange(lower(block) - interval '9 days', upper(block) - interval '9 days')";
    app.appointment_set(moved.appointments[0].id, over).await;
    let moved = clinic.get(&series).await;
    let second = &moved.appointments[1];
    let body = UpdateAppointmentSeries { specialist_id: colleague, ..unchanged(&moved, second) };
    let handed = clinic.update(&series, SeriesScope::Following, body).await.series;
    assert_eq!(handed.specialist_id, colleague);
    assert_eq!(handed.appointments[0].specialist_id, clinic.specialist, "what is over stays");
    let get = me.appointment_series_get().appointment_series_id(series.id).send().await;
    refused(get, 404, "appointment_series_not_found");
}

#[tokio::test]
async fn what_changes_of_one_changes_of_the_others_and_the_rest_stays() {
    let clinic = Clinic::start().await;
    let (app, staff) = (&clinic.app, &clinic.staff);
    let colleague = app.specialist_create(&app.admin(), "Dr. Colleague").await.id;
    let series = clinic.weekly(in_days(3, 9), 4).await;
    // One of them has another time and keeps it when only the title changes.
    let third = series.appointments[2].id;
    let later = series.appointments[2].started_at + TimeDelta::hours(3);
    let body = RescheduleAppointment { specialist_id: None, started_at: later, version: None };
    granted(staff.appointment_reschedule().appointment_id(third).body(body).send().await, 200);
    // A version that was read before is stale.
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
    // One appointment.
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
    // Overlaps the third one.
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

    // The named appointment must belong to the series and not have begun.
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
    // The time before the move is free.
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
    // The clinic cancels the colleague's appointment; the former specialist cannot.
    let body = CancelAppointmentSeries { appointment_id: Some(given), reason: CancellationReason::Other };
    let cancel = me.appointment_series_cancel().appointment_series_id(series.id).scope(SeriesScope::One);
    refused(cancel.body(body).send().await, 422, "validation_failed");
}

/// Moves series into each other's times concurrently, while others are cancelled and moved: nothing overlaps, nothing
/// deadlocks and nothing is lost.
#[tokio::test]
async fn series_that_cross_never_overlap() {
    let clinic = Clinic::start().await;
    let (app, staff) = (&clinic.app, &clinic.staff);
    let template = app.template_add(Template { buffers: Some((10, 10)), ..Template::of_minutes(40) }).await;
    let (mut series, mut patients) = (Vec::new(), Vec::new());
    for (number, hour) in (0..4).zip([8, 9, 10, 11]) {
        let patient = app.patient_create(staff, "Ann", &format!("No {number}")).await.id;
        let mut body = CoreApp::new_series(clinic.specialist, patient, in_days(3, hour), CoreApp::daily(8));
        (body.ended_at, body.template_id) = (None, Some(template));
        series.push(booked(staff, body).await);
        patients.push(patient);
    }
    let mut moved_whole = 0;
    for round in 0..6 {
        // Overlap the last series until they are cancelled during the race.
        let mut singles = Vec::new();
        for (place, &patient) in (3..7).zip(&patients) {
            let at = in_days(place, if round % 2 == 0 { 12 } else { 7 });
            let body = CoreApp::new_appointment(clinic.specialist, patient, at);
            singles.extend(staff.appointment_create().body(body).send().await.ok().map(|made| made.id));
        }
        for one in &mut series {
            *one = clinic.get(one).await;
        }
        let by = TimeDelta::minutes(if round % 2 == 0 { 60 } else { -60 });
        let shifts = series.iter().map(async |one| {
            let update = staff.appointment_series_update().appointment_series_id(one.id).scope(SeriesScope::All);
            let update = update.on_conflict(OnConflict::Skip).body(shifted(one, &one.appointments[0], by));
            outcome(update.send().await).await
        });
        let singly = series.iter().map(async |one| {
            let last = &one.appointments[7];
            let body =
                RescheduleAppointment { specialist_id: None, started_at: last.started_at + by / 2, version: None };
            outcome(staff.appointment_reschedule().appointment_id(last.id).body(body).send().await).await
        });
        let cancels = singles.iter().map(async |id| {
            let body = CancelAppointment { reason: CancellationReason::Other };
            outcome(staff.appointment_cancel().appointment_id(*id).body(body).send().await).await
        });
        let (changed, moved, cancelled) = tokio::join!(join_all(shifts), join_all(singly), join_all(cancels));
        let allowed = ["200", "409 series_conflict", "409 slot_taken", "409 stale_version"];
        for said in changed.iter().chain(&moved) {
            assert!(allowed.contains(&said.as_str()), "round {round}: {said}");
        }
        assert!(cancelled.iter().all(|said| said == "200"), "round {round}: {cancelled:?}");
        moved_whole += changed.iter().filter(|said| *said == "200").count();
        assert_eq!(app.count(OVERLAPS).await, 0, "round {round}");
    }
    assert!(moved_whole > 0, "no series was ever moved");
    let kept = "select count(*) from appointments where status = 'scheduled' and appointment_series_id is not null";
    assert_eq!(app.count(kept).await, 32, "moved or not, each is there");
}

#[tokio::test]
async fn what_a_series_leaves_is_offered_to_who_waits() {
    let clinic = Clinic::start().await;
    let (app, staff) = (&clinic.app, &clinic.staff);
    app.works_always(clinic.specialist).await;
    let series = clinic.weekly(in_days(3, 9), 2).await;
    let tom = app.patient_create(staff, "Tom", "Moe").await.id;
    let (from, to) = (series.appointments[1].started_at, series.appointments[1].ended_at);
    let entry = crate::waitlist::wait(staff, crate::waitlist::wish(clinic.specialist, Some(tom), from, to)).await.id;
    clinic.cancel(&series, SeriesScope::Following, Some(ids(&series)[1])).await;
    let offer = until("it is offered", CoreApp::PATIENCE, || async {
        let list = granted(staff.waitlist_entry_list().send().await, 200);
        list.data.into_iter().find(|one| one.id == entry).and_then(|one| one.offer)
    })
    .await
    .0;
    assert_eq!(offer.started_at, from);
}
