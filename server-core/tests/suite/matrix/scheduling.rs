//! Requests for operations on schedules, slots, appointments, calendars and video meetings.

use chrono::{TimeDelta, Utc};
use restartix_sdk::core::types::{
    Appointment, AppointmentSeries, BookAppointment, CreateAppointmentSeries, HoldAppointment, RescheduleAppointment,
};
use serde_json::{Value, json};
use test_support::{CoreApp, Fixture, Template, granted, in_days};
use uuid::Uuid;

use super::fixture::{World, value};
use crate::waitlist::{offer, settled, wait, wish};

impl World {
    /// Builds requests about schedules and the slots that they leave open.
    pub(super) async fn of_schedule(&self, operation: &str) -> Option<Fixture> {
        let specialist = self.app.home().specialist_id;
        let own = || Fixture::default().with("specialist_id", &specialist);
        Some(match operation {
            "specialist_schedule_get" | "specialist_availability_get" => own(),
            "specialist_schedule_update" => {
                let standing = self.app.admin().specialist_schedule_get().specialist_id(specialist).send().await;
                let mut schedule = CoreApp::new_schedule();
                schedule.version = granted(standing, 200).version;
                // Slots of an hour at any time of the day, for the bookings that follow.
                schedule.hours = (1..=7).map(|weekday| CoreApp::window(weekday, "00:00", "00:00")).collect();
                own().body(value(&schedule))
            }
            _ => return None,
        })
    }

    pub(super) async fn of_appointment_template(&self, operation: &str) -> Option<Fixture> {
        let input = || CoreApp::new_appointment_template(&format!("Template {}", Uuid::new_v4()));
        let template = || async { self.app.appointment_template_create(&self.app.admin(), input()).await };
        let by_id = |id: i64| Fixture::default().with("appointment_template_id", &id);
        Some(match operation {
            "appointment_template_list" => Fixture::default(),
            "appointment_template_create" => Fixture::default().body(value(&input())),
            "appointment_template_find" => Fixture::default().with("slug", &template().await.slug),
            "appointment_template_get" | "appointment_template_delete" => by_id(template().await.id),
            "appointment_template_update" => by_id(template().await.id).body(value(&input())),
            _ => return None,
        })
    }

    /// Returns an open slot of the specialist for the patient.
    fn slot(&self) -> Value {
        json!({
            "specialist_id": self.app.home().specialist_id,
            "patient_id": self.patient.id,
            "started_at": in_days(self.next_day(), 14),
        })
    }

    /// Builds requests about holds, bookings and their changes.
    pub(super) async fn of_booking(&self, operation: &str) -> Option<Fixture> {
        let admin = self.app.admin();
        let by_id = |appointment: &Appointment| Fixture::default().with("appointment_id", &appointment.id);
        Some(match operation {
            "appointment_hold_create" => Fixture::default().body(self.slot()),
            "appointment_book" => {
                let mut slot = self.slot();
                slot["template_id"] = self.app.template_add(Template::of_minutes(30)).await.into();
                Fixture::default().body(slot)
            }
            "appointment_hold_delete" => {
                let slot = serde_json::from_value::<HoldAppointment>(self.slot());
                let hold = admin.appointment_hold_create().body(slot.expect("a slot can be held"));
                by_id(&granted(hold.send().await, 201))
            }
            "appointment_confirm" | "appointment_no_show" => by_id(&self.booked().await),
            "appointment_start" | "appointment_complete" => {
                let appointment = self.booked().await;
                granted(admin.appointment_confirm().appointment_id(appointment.id).send().await, 200);
                if operation == "appointment_complete" {
                    granted(admin.appointment_start().appointment_id(appointment.id).send().await, 200);
                }
                by_id(&appointment)
            }
            "appointment_reschedule" => {
                // The appointment is as long as a slot, because a patient can move it only to a slot.
                let slot = serde_json::from_value::<BookAppointment>(self.slot()).expect("a slot can be booked");
                let booked = granted(admin.appointment_book().body(slot).send().await, 201);
                by_id(&booked).body(json!({ "started_at": in_days(self.next_day(), 14) }))
            }
            "appointment_reschedule_list" => {
                let appointment = self.booked().await;
                let started_at = in_days(self.next_day(), 9);
                let body = RescheduleAppointment { specialist_id: None, started_at, version: None };
                let moved = admin.appointment_reschedule().appointment_id(appointment.id).body(body);
                by_id(&granted(moved.send().await, 200))
            }
            _ => return None,
        })
    }

    /// Returns a series of two days on which the specialist and the patient have no other appointment.
    fn repeating(&self) -> CreateAppointmentSeries {
        let started_at = in_days(self.next_day(), 18);
        self.next_day();
        CoreApp::new_series(self.app.home().specialist_id, self.patient.id, started_at, CoreApp::daily(2))
    }

    /// Builds requests about series.
    pub(super) async fn of_series(&self, operation: &str) -> Option<Fixture> {
        let admin = self.app.admin();
        let series =
            || async { granted(admin.appointment_series_create().body(self.repeating()).send().await, 201).series };
        let by_id = |series: &AppointmentSeries| Fixture::default().with("appointment_series_id", &series.id);
        Some(match operation {
            "appointment_series_create" => Fixture::default().body(value(&self.repeating())),
            "appointment_series_get" => by_id(&series().await),
            "appointment_series_update" => {
                let series = series().await;
                let first = &series.appointments[0];
                by_id(&series).with("scope", &"all").body(json!({
                    "version": series.version,
                    "appointment_id": first.id,
                    "started_at": first.started_at + TimeDelta::hours(2),
                    "ended_at": first.ended_at + TimeDelta::hours(2),
                    "specialist_id": first.specialist_id,
                }))
            }
            "appointment_series_cancel" => {
                let series = series().await;
                let body = json!({ "reason": "patient_request", "appointment_id": series.appointments[0].id });
                by_id(&series).with("scope", &"following").body(body)
            }
            _ => return None,
        })
    }

    pub(super) async fn of_calendar(&self, operation: &str) -> Option<Fixture> {
        let (from, to) = (in_days(1, 0), in_days(8, 0));
        Some(match operation {
            "calendar_get" => {
                let text = |moment: chrono::DateTime<Utc>| moment.format("%Y-%m-%dT%H:%M:%SZ").to_string();
                Fixture::default().with("from", &text(from)).with("to", &text(to))
            }
            "calendar_search" => Fixture::default().body(json!({ "from": from, "to": to })),
            "calendar_feed_create" => Fixture::default(),
            "calendar_feed_delete" => {
                // Each member revokes a feed of its own; a superadmin has none.
                let feeds = "insert into calendar_feeds (organization_id, user_id, token_hash)
                             select organization_id, user_id, 'of-nothing' from memberships on conflict do nothing";
                sqlx::query(feeds).execute(&mut self.app.owner().await).await.expect("feeds can be seeded");
                Fixture::default()
            }
            "calendar_feed_get" => {
                let feed = granted(self.app.staff().calendar_feed_create().send().await, 201);
                Fixture::default().with("token", &feed.token)
            }
            _ => return None,
        })
    }

    /// Builds requests about the patient's entry on the waitlist. The fixture inserts the offer itself: the service
    /// makes offers in the background, independently of requests.
    pub(super) async fn of_waitlist(&self, operation: &str) -> Option<Fixture> {
        let (admin, patient) = (self.app.admin(), self.patient.id);
        let wish = |specialist, days| wish(specialist, Some(patient), in_days(days, 18), in_days(days, 19));
        let never = || async { self.app.specialist_create(&admin, "Dr. Never").await.id };
        let by_id = |id: i64| Fixture::default().with("waitlist_entry_id", &id);
        Some(match operation {
            "waitlist_entry_list" => Fixture::default(),
            "waitlist_entry_create" => Fixture::default().body(value(&wish(never().await, 1))),
            "waitlist_entry_delete" => by_id(wait(&admin, wish(never().await, 1)).await.id),
            "waitlist_entry_accept" => {
                self.waits_no_more().await;
                let entry = wait(&admin, wish(self.app.home().specialist_id, self.next_day())).await;
                offer(&self.app, entry.id).await;
                settled(&self.app).await;
                by_id(entry.id)
            }
            _ => return None,
        })
    }

    /// Deletes the patient's entries, because a patient can't have two entries for the same slots.
    async fn waits_no_more(&self) {
        sqlx::query("update waitlist_entries set deleted_at = now() where patient_id = $1 and deleted_at is null")
            .bind(self.patient.id)
            .execute(&mut self.app.owner().await)
            .await
            .expect("entries can be ended");
    }

    /// Creates a video appointment in progress.
    pub(super) async fn of_video(&self, operation: &str) -> Option<Fixture> {
        if operation != "video_token_create" {
            return None;
        }
        let (specialist, now) = (self.app.home().specialist_id, Utc::now());
        let appointment = self.app.appointment_create(&self.app.admin(), specialist, self.patient.id, now).await;
        sqlx::query("update appointments set modality = 'video' where id = $1")
            .bind(appointment.id)
            .execute(&mut self.app.owner().await)
            .await
            .expect("an appointment can be by video");
        Some(Fixture::default().with("appointment_id", &appointment.id))
    }
}
