//! The week of a demo clinic: its appointments with their times and participants.

use anyhow::{Context as _, Result};
use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::calendar;

/// Hours at which appointments begin, by the clinic's clock.
const HOURS: [u32; 2] = [9, 14];
/// Monday to Friday.
const DAYS: u64 = 5;
/// Duration of an appointment, in minutes.
const MINUTES: i64 = 45;

/// An appointment to be booked; people by their places in the clinic's lists.
#[derive(Debug)]
pub(super) struct Booking {
    pub(super) specialist: usize,
    pub(super) patient: usize,
    pub(super) title: &'static str,
    pub(super) started_at: DateTime<Utc>,
    pub(super) ended_at: DateTime<Utc>,
}

/// The appointments of the week that begins with `monday`. At each hour every specialist sees somebody else, so
/// nobody is in two places.
pub(super) fn week(monday: NaiveDate, zone: Tz, specialists: usize, patients: usize) -> Result<Vec<Booking>> {
    let mut bookings = Vec::new();
    for day in (0..DAYS).map(|offset| monday + Days::new(offset)) {
        for hour in HOURS {
            let time = NaiveTime::from_hms_opt(hour, 0, 0).context("an hour of the plan is none of the clock")?;
            let started_at = calendar::moment(day, time, zone)?;
            for specialist in 0..specialists {
                let number = bookings.len();
                bookings.push(Booking {
                    specialist,
                    patient: number % patients,
                    title: if number < patients { "First examination" } else { "Follow-up" },
                    started_at,
                    ended_at: started_at + TimeDelta::minutes(MINUTES),
                });
            }
        }
    }
    Ok(bookings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::data::CLINICS;

    #[test]
    fn nobody_is_in_two_places_in_the_week_in_which_the_clocks_change_either() {
        // 2026-10-19 is the Monday before the clocks go back.
        let monday = NaiveDate::from_ymd_opt(2026, 10, 19).unwrap();
        for clinic in &CLINICS {
            let zone = calendar::zone(clinic.timezone).unwrap();
            let week = week(monday, zone, clinic.specialists.len(), clinic.patients.len()).unwrap();
            assert_eq!(week.len(), 30);
            for (place, one) in week.iter().enumerate() {
                for other in &week[place + 1..] {
                    let overlap = one.started_at < other.ended_at && other.started_at < one.ended_at;
                    let shared = one.specialist == other.specialist || one.patient == other.patient;
                    assert!(!(overlap && shared), "{one:?} and {other:?}");
                }
            }
        }
    }

    #[test]
    fn the_specialist_with_a_login_treats_the_patient_with_one() {
        let week = week(NaiveDate::default(), Tz::UTC, 3, 8).unwrap();
        assert!(week.iter().any(|booking| booking.specialist == 0 && booking.patient == 0));
    }
}
