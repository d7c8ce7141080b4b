//! Appointments as iCalendar (RFC 5545).

use chrono::{DateTime, TimeDelta, Utc};
use icalendar::{Calendar, Class, Component, Event, EventLike, EventStatus, Property};
use uuid::Uuid;

use crate::domain::{appointment::AppointmentStatus, appointment_template::Modality};

/// Interval at which programs are asked to refresh.
const REFRESH: TimeDelta = TimeDelta::minutes(15);

/// Appointment as a feed shows it: without names and free text.
#[derive(Debug)]
pub(super) struct FeedEntry {
    pub(super) uid: Uuid,
    pub(super) status: AppointmentStatus,
    pub(super) modality: Modality,
    pub(super) specialty: Option<String>,
    pub(super) started_at: DateTime<Utc>,
    pub(super) ended_at: DateTime<Utc>,
    pub(super) sequence: i32,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

/// Renders the entries as an iCalendar file.
pub(super) fn written(entries: &[FeedEntry]) -> String {
    let mut calendar = Calendar::empty();
    // No METHOD: it would require an ORGANIZER in each event, and a feed invites nobody.
    for (name, value) in [("VERSION", "2.0"), ("PRODID", "-//RestartiX//Core//EN"), ("CALSCALE", "GREGORIAN")] {
        calendar.append_property(Property::new(name, value));
    }
    calendar.name("Appointments").ttl(&REFRESH);
    calendar.extend(entries.iter().map(event));
    calendar.to_string()
}

fn event(entry: &FeedEntry) -> Event {
    Event::with_uid(&entry.uid.to_string())
        .timestamp(entry.updated_at)
        .created(entry.created_at)
        .last_modified(entry.updated_at)
        .sequence(u32::try_from(entry.sequence).unwrap_or_default())
        .starts(entry.started_at)
        .ends(entry.ended_at)
        .status(status(entry.status))
        .summary(&summary(entry))
        .class(Class::Private)
        .done()
}

/// Returns the iCalendar status. Programs hide or strike through cancelled events, but some keep events that are only
/// missing.
fn status(status: AppointmentStatus) -> EventStatus {
    match status {
        AppointmentStatus::Held | AppointmentStatus::Scheduled => EventStatus::Tentative,
        AppointmentStatus::Confirmed | AppointmentStatus::InProgress | AppointmentStatus::Completed => {
            EventStatus::Confirmed
        }
        AppointmentStatus::Cancelled | AppointmentStatus::NoShow | AppointmentStatus::Expired => EventStatus::Cancelled,
    }
}

fn summary(entry: &FeedEntry) -> String {
    let modality = match entry.modality {
        Modality::InPerson => "in person",
        Modality::Video => "video",
    };
    let summary = format!("{} ({modality})", entry.specialty.as_deref().unwrap_or("Appointment"));
    // A line break in the specialty's name would end the line and let the name add properties to the event.
    summary.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(specialty: &str) -> FeedEntry {
        let started_at = DateTime::UNIX_EPOCH + TimeDelta::days(20_500);
        FeedEntry {
            uid: Uuid::from_u128(7),
            status: AppointmentStatus::Scheduled,
            modality: Modality::Video,
            specialty: Some(specialty.to_owned()),
            started_at,
            ended_at: started_at + TimeDelta::minutes(45),
            sequence: 2,
            created_at: started_at,
            updated_at: started_at,
        }
    }

    #[test]
    fn a_name_is_text_and_nothing_else() {
        for name in ["Knees\rDTSTART:19700101T000000Z", "Knees\r\nEND:VEVENT", "Knees\nDTSTART:1", "Knees\u{85}X:1"] {
            let text = written(&[entry(name)]);
            let lines: Vec<&str> = text.split(['\r', '\n', '\u{85}']).filter(|line| !line.is_empty()).collect();
            let of = |start: &str| lines.iter().filter(|line| line.starts_with(start)).count();
            assert_eq!((of("DTSTART"), of("END:VEVENT"), of("X:"), of("SUMMARY:Knees")), (1, 1, 0, 1), "{text}");
        }
    }

    #[test]
    fn lines_end_and_fold_as_they_have_to() {
        let text = written(&[entry(&"Gelenkchirurgie für Knie und Hüfte, ambulant; ".repeat(4))]);
        assert!(text.ends_with("END:VCALENDAR\r\n"));
        assert!(text.split("\r\n").all(|line| line.len() <= 75 && !line.contains(['\r', '\n'])), "{text}");
    }

    #[test]
    fn the_same_appointments_are_written_the_same() {
        let entries = [entry("Knees"), entry("Hips")];
        assert_eq!(written(&entries), written(&entries));
    }
}
