//! Operations that are measured, as requests.

use chrono::{DateTime, TimeDelta, Utc};

use super::{PATIENTS, SPECIALISTS};

/// An operation.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) title: &'static str,
    /// `true` if the time may not grow with the clinic.
    pub(super) flat: bool,
    pub(super) ask: fn(&Scene, u32) -> Ask,
}

/// State of a clinic that requests depend on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene {
    /// Number of its appointments.
    pub(super) appointments: u32,
    /// Midnight of the day on which it was filled.
    pub(super) today: DateTime<Utc>,
}

/// A request.
#[derive(Debug)]
pub(super) enum Ask {
    /// Path of a `GET`.
    Get(String),
    /// Path and body of a `POST` that creates something.
    Post(&'static str, String),
}

impl Scene {
    /// Formats the midnight so many days after today.
    fn day(&self, days: i64) -> String {
        (self.today + TimeDelta::days(days)).format("%FT%TZ").to_string()
    }
}

/// Returns a number that differs from request to request and has no order.
fn scattered(number: u32) -> u32 {
    number.wrapping_mul(2_654_435_761) >> 8
}

fn specialist(number: u32) -> u32 {
    1 + number % SPECIALISTS
}

macro_rules! operations {
    ($($flat:ident $title:literal: |$scene:ident, $number:ident| $ask:expr;)*) => {
        pub(super) const OPERATIONS: [Operation; [$($title),*].len()] =
            [$(Operation { title: $title, flat: operations!(@ $flat), ask: |$scene, $number| $ask }),*];
    };
    (@ flat) => { true };
    (@ free) => { false };
}

operations! {
    flat "appointment": |scene, n| Ask::Get(format!("/v1/appointments/{}", 1 + scattered(n) % scene.appointments));
    flat "appointments, first page": |_s, _n| Ask::Get("/v1/appointments?page_size=25".to_owned());
    flat "appointments, latest first": |_s, _n| Ask::Get("/v1/appointments?page_size=25&sort=-started_at".to_owned());
    flat "appointments of a specialist": |_s, n| Ask::Get(format!("/v1/appointments?specialist_id={}", specialist(n)));
    free "appointments of a patient": |_s, n| Ask::Get(format!("/v1/appointments?patient_id={}", 1 + scattered(n) % PATIENTS));
    flat "appointments, cancelled": |_s, _n| Ask::Get("/v1/appointments?status=cancelled".to_owned());
    free "appointments, held (none)": |_s, _n| Ask::Get("/v1/appointments?status=held".to_owned());
    flat "appointments of a week": |scene, _n| Ask::Get(format!("/v1/appointments?from={}&to={}", scene.day(0), scene.day(7)));
    flat "appointments from today": |scene, _n| Ask::Get(format!("/v1/appointments?from={}", scene.day(0)));
    free "appointments, page 400": |_s, _n| Ask::Get("/v1/appointments?page=400&page_size=25".to_owned());
    flat "availability of 31 days": |scene, n| Ask::Get(format!(
        "/v1/specialists/{}/availability?from={}&to={}", specialist(n), scene.day(1), scene.day(32)
    ));
    flat "calendar of a month, one specialist": |scene, n| Ask::Get(format!(
        "/v1/calendar?from={}&to={}&specialist_id={}", scene.day(0), scene.day(31), specialist(n)
    ));
    flat "calendar of a month": |scene, _n| Ask::Get(format!("/v1/calendar?from={}&to={}", scene.day(0), scene.day(31)));
    flat "booking": |scene, n| Ask::Post("/v1/appointments/book", booking(scene, n));
    flat "patients, first page": |_s, _n| Ask::Get("/v1/patients?page_size=25".to_owned());
    flat "patients, newest first": |_s, _n| Ask::Get("/v1/patients?page_size=25&sort=-created_at".to_owned());
    flat "patient search, beginning of the name": |_s, _n| Ask::Get("/v1/patients?search=kar".to_owned());
    flat "patient search, middle of the name": |_s, _n| Ask::Get("/v1/patients?search=ling".to_owned());
    flat "patient search, folded, few found": |_s, _n| Ask::Get("/v1/patients?search=M%C3%9CLLER".to_owned());
    free "patient search, none found": |_s, _n| Ask::Get("/v1/patients?search=xqzw".to_owned());
}

/// Books a slot that no earlier request has booked, after the last day of the seed. Between 08:00 and 16:00 UTC the
/// specialists are there all year.
fn booking(scene: &Scene, number: u32) -> String {
    let slot = i64::from(number / SPECIALISTS);
    let start = scene.today + TimeDelta::days(40 + slot / 16) + TimeDelta::minutes(8 * 60 + 30 * (slot % 16));
    format!(
        r#"{{"specialist_id":{},"patient_id":{},"template_id":1,"started_at":"{}"}}"#,
        specialist(number),
        1 + number % PATIENTS,
        start.format("%FT%TZ"),
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_slot_is_booked_twice() {
        let scene = Scene { appointments: 10, today: DateTime::UNIX_EPOCH };
        let slot = |number| {
            let body: serde_json::Value = serde_json::from_str(&booking(&scene, number)).unwrap();
            (body["specialist_id"].as_u64().unwrap(), body["started_at"].as_str().unwrap().to_owned())
        };
        let slots: BTreeSet<_> = (0..5_000).map(slot).collect();
        assert_eq!(slots.len(), 5_000);
        assert!(slots.contains(&(1, "1970-02-11T08:00:00Z".to_owned())), "the seventeenth of the first specialist");
    }
}
