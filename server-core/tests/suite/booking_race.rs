//! Hundreds of patients who book a few slots at once: one gets each slot, and all others get `slot_taken`.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt as _, future::join_all, stream};
use restartix_sdk::{
    ClientBuilder, Retries,
    core::{
        Client,
        types::{BookAppointment, HoldAppointment, RescheduleAppointment},
    },
};
use test_support::{CoreApp, Issuer, Template, granted, in_days};

use crate::appointment_race::{outcome, outcomes};

/// Number of concurrent patients.
const RACERS: i32 = 500;
/// Number of rounds.
const ROUNDS: u64 = 10;
/// Longest time to wait for an answer, long enough for all racers of a round one after another.
const PATIENCE: Duration = Duration::from_mins(1);

/// Creates patients with a client each, whose identities the service has cached.
async fn racers(app: &CoreApp, count: i32) -> Vec<Client> {
    let mut racers = Vec::new();
    for (person, _) in app.patients_add(count).await {
        let token = Issuer::session(&person.clerk_id);
        let client = ClientBuilder::new(app.url()).token(token).timeout(PATIENCE).retries(Retries::none()).core();
        racers.push(client.unwrap());
    }
    stream::iter(&racers)
        .for_each_concurrent(16, async |racer| {
            granted(racer.me_get().send().await, 200);
        })
        .await;
    racers
}

/// Starts Core with pools of the default size and a specialist who works around the clock.
async fn start() -> CoreApp {
    let app = CoreApp::builder().env("DB_POOL_MIN", "5").env("DB_POOL_MAX", "25").start().await;
    app.works_always(app.home().specialist_id).await;
    app
}

fn booking(app: &CoreApp, started_at: DateTime<Utc>, template_id: Option<i64>) -> BookAppointment {
    BookAppointment {
        hold_id: None,
        patient_id: None,
        specialist_id: Some(app.home().specialist_id),
        started_at: Some(started_at),
        template_id,
        title: None,
    }
}

/// Returns the expected answers if one of `racers` got the slot.
fn one_of(racers: usize) -> BTreeMap<String, usize> {
    BTreeMap::from([("201".to_owned(), 1), ("409 slot_taken".to_owned(), racers - 1)])
}

/// Counts appointments that overlap another one of the same specialist or patient.
pub(crate) const OVERLAPS: &str = "select count(*) from appointments a join appointments b
    on a.id < b.id and a.block && b.block and (a.specialist_id = b.specialist_id or a.patient_id = b.patient_id)
    where a.status in ('held', 'scheduled', 'confirmed', 'in_progress')
      and b.status in ('held', 'scheduled', 'confirmed', 'in_progress')";

#[tokio::test]
async fn five_hundred_patients_at_one_slot() {
    let app = start().await;
    let racers = racers(&app, RACERS).await;
    for day in 2..2 + ROUNDS {
        let at = in_days(day, 9);
        let attempts = racers.iter().map(|racer| racer.appointment_book().body(booking(&app, at, None)).send());
        let said = outcomes(join_all(attempts).await).await;
        assert_eq!(said, one_of(racers.len()), "round {day}");
    }
    let booked = "select count(*) from appointments where status = 'scheduled'";
    assert_eq!(app.count(booked).await, i64::try_from(ROUNDS).unwrap());
}

#[tokio::test]
async fn five_hundred_patients_hold_one_slot() {
    let app = start().await;
    let racers = racers(&app, RACERS).await;
    let specialist_id = app.home().specialist_id;
    for day in 2..2 + ROUNDS {
        // In every other round there is a lapsed hold.
        let at = in_days(day, 9);
        if day % 2 == 0 {
            let body = HoldAppointment { patient_id: None, specialist_id, started_at: at, template_id: None };
            let stale = granted(racers[0].appointment_hold_create().body(body).send().await, 201).id;
            app.appointment_set(stale, "hold_expires_at = now() - interval '1 second'").await;
        }
        let attempts = racers.iter().map(|racer| {
            let body = HoldAppointment { patient_id: None, specialist_id, started_at: at, template_id: None };
            racer.appointment_hold_create().body(body).send()
        });
        let said = outcomes(join_all(attempts).await).await;
        assert_eq!(said, one_of(racers.len()), "round {day}");
        assert_eq!(app.count(OVERLAPS).await, 0);
        // A day passes, so that a patient who often wins does not reach the limit of holds.
        let pass = "update appointments set held_at = held_at - interval '1 day', hold_expires_at = now()";
        sqlx::query(pass).execute(&mut app.owner().await).await.unwrap();
    }
}

#[tokio::test]
async fn five_hundred_patients_at_slots_that_overlap() {
    let app = start().await;
    let racers = racers(&app, RACERS).await;
    // Slots of an hour every half hour, with buffers of a quarter of an hour.
    let template = app.template_add(Template { buffers: Some((15, 15)), ..Template::of_minutes(60) }).await;
    for day in 2..2 + ROUNDS {
        let at = |place: usize| in_days(day, 9) + TimeDelta::minutes(30) * i32::try_from(place % 5).unwrap();
        let attempts = racers
            .iter()
            .enumerate()
            .map(|(place, racer)| racer.appointment_book().body(booking(&app, at(place), Some(template))).send());
        let mut said = outcomes(join_all(attempts).await).await;
        let booked = said.remove("201").unwrap_or_default();
        assert_eq!(said, BTreeMap::from([("409 slot_taken".to_owned(), racers.len() - booked)]), "round {day}");
        // The three hours from 9 to 12 have room for one appointment of an hour and a half with its buffers, or for two
        // that begin an hour and a half apart. No request is refused for which there is room.
        let starts: Vec<DateTime<Utc>> = sqlx::query_scalar(
            "select started_at from appointments where started_at >= $1 and started_at < $1 + interval '1 day'",
        )
        .bind(in_days(day, 0))
        .fetch_all(&mut app.owner().await)
        .await
        .unwrap();
        assert_eq!(starts.len(), booked, "round {day}");
        for place in 0..5 {
            let taken = starts.iter().any(|start| (*start - at(place)).abs() < TimeDelta::minutes(90));
            assert!(taken, "round {day}: {} was refused to all", at(place));
        }
    }
    assert_eq!(app.count(OVERLAPS).await, 0);
}

#[tokio::test]
async fn blocks_that_touch_are_all_booked() {
    let app = start().await;
    let racers = racers(&app, 200).await;
    let template = app.template_add(Template { buffers: Some((15, 15)), ..Template::of_minutes(30) }).await;
    for day in 2..2 + ROUNDS {
        // The buffer of each ends where that of the next one begins.
        let attempts = racers.iter().enumerate().map(|(place, racer)| {
            let at = in_days(day, 9) + TimeDelta::hours(1) * i32::try_from(place % 4).unwrap();
            racer.appointment_book().body(booking(&app, at, Some(template))).send()
        });
        let said = outcomes(join_all(attempts).await).await;
        let expected = BTreeMap::from([("201".to_owned(), 4), ("409 slot_taken".to_owned(), racers.len() - 4)]);
        assert_eq!(said, expected, "round {day}");
    }
    assert_eq!(app.count(OVERLAPS).await, 0);
}

#[tokio::test]
async fn reschedules_that_cross_are_both_refused() {
    let app = start().await;
    let (admin, own) = (app.admin(), app.home().specialist_id);
    let colleague = app.specialist_create(&admin, "Dr. Colleague").await.id;
    app.works_always(colleague).await;
    let racers = racers(&app, 40).await;
    let book = async |racer: &Client, specialist: i64, at: DateTime<Utc>| {
        let body = BookAppointment { specialist_id: Some(specialist), ..booking(&app, at, None) };
        granted(racer.appointment_book().body(body).send().await, 201)
    };
    for day in 2..2 + ROUNDS {
        // Twenty pairs, with one specialist and with two.
        let mut pairs = Vec::new();
        for (place, pair) in racers.chunks(2).enumerate() {
            let at = in_days(day, 0) + TimeDelta::hours(1) * i32::try_from(place).unwrap();
            let other = if place % 2 == 0 { own } else { colleague };
            let next = at + TimeDelta::minutes(30);
            pairs.push([book(&pair[0], own, at).await, book(&pair[1], other, next).await]);
        }
        let goals = pairs.iter().flat_map(|[one, other]| [(one.id, other), (other.id, one)]);
        let attempts = racers.iter().zip(goals).map(|(client, (id, goal))| {
            let body = RescheduleAppointment {
                specialist_id: Some(goal.specialist_id),
                started_at: goal.started_at,
                version: None,
            };
            client.appointment_reschedule().appointment_id(id).body(body).send()
        });
        let said = outcomes(join_all(attempts).await).await;
        assert_eq!(said, BTreeMap::from([("409 slot_taken".to_owned(), racers.len())]), "round {day}");
        for before in pairs.iter().flatten() {
            assert_eq!(&granted(admin.appointment_get().appointment_id(before.id).send().await, 200), before);
        }
    }
    assert_eq!(app.count("select count(*) from appointment_reschedules").await, 0);
}

#[tokio::test]
async fn whatever_is_done_at_once_nothing_overlaps() {
    let app = start().await;
    let racers = racers(&app, 40).await;
    let admin = app.admin();
    let specialist_id = app.home().specialist_id;
    // Each runs all operations on the same few slots, in an order of its own.
    let play = racers.iter().enumerate().map(async |(place, racer)| {
        let mut said = Vec::new();
        for turn in 0..10 {
            let step = place * 7 + turn * 3;
            let at = |step: usize| in_days(2, 9) + TimeDelta::minutes(30) * i32::try_from(step % 4).unwrap();
            let body = HoldAppointment { patient_id: None, specialist_id, started_at: at(step), template_id: None };
            let held = racer.appointment_hold_create().body(body).send().await;
            let id = held.as_ref().ok().map(|held| held.id);
            said.push(outcome(held).await);
            let Some(id) = id else { continue };
            if step % 3 == 0 {
                said.push(outcome(racer.appointment_hold_delete().appointment_id(id).send().await).await);
                continue;
            }
            let body = BookAppointment {
                hold_id: Some(id),
                specialist_id: None,
                started_at: None,
                ..booking(&app, at(step), None)
            };
            said.push(outcome(racer.appointment_book().body(body).send().await).await);
            said.push(outcome(admin.appointment_confirm().appointment_id(id).send().await).await);
            let body = RescheduleAppointment { specialist_id: None, started_at: at(step + 1), version: None };
            let moved = racer.appointment_reschedule().appointment_id(id).body(body).send().await;
            said.push(outcome(moved).await);
            said.push(outcome(admin.appointment_no_show().appointment_id(id).send().await).await);
        }
        said
    });
    let mut said: BTreeMap<String, usize> = BTreeMap::new();
    for outcome in join_all(play).await.into_iter().flatten() {
        *said.entry(outcome).or_default() += 1;
    }
    let refused = said.remove("409 slot_taken").unwrap_or_default();
    assert!(refused > 0 && said.keys().all(|outcome| ["200", "201", "204"].contains(&outcome.as_str())), "{said:?}");
    // If a request is refused, another one succeeded.
    assert!(said["201"] >= 4, "{said:?}");
    assert_eq!(app.count(OVERLAPS).await, 0);
    assert_eq!(
        app.count("select count(*) from appointments where status in ('held', 'scheduled', 'confirmed')").await,
        0
    );
}
