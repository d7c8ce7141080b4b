//! Calendars as somebody else's program reads them: Python's icalendar package, and dateutil for what repeats.
//!
//! The program is in `test-support/icalendar`; `cargo xtask test` installs what its requirements name.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, de::DeserializeOwned};
use uuid::Uuid;

/// Content of a `text/calendar` document.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Icalendar {
    /// Faults that the parser found.
    pub errors: Vec<String>,
    /// `VERSION`
    pub version: String,
    /// `REFRESH-INTERVAL` and `X-PUBLISHED-TTL`
    pub refresh_seconds: [u32; 2],
    /// Types of the components, e.g. `VEVENT`.
    pub components: Vec<String>,
    /// Its events.
    pub events: Vec<IcalendarEvent>,
}

/// A `VEVENT`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct IcalendarEvent {
    /// `UID`
    pub uid: Uuid,
    /// `STATUS`
    pub status: String,
    /// `SUMMARY`
    pub summary: String,
    /// `CLASS`
    pub class: String,
    /// `SEQUENCE`
    pub sequence: i64,
    /// `DTSTART`
    pub starts_at: DateTime<Utc>,
    /// `DTEND`
    pub ends_at: DateTime<Utc>,
    /// `DTSTAMP`
    pub stamped_at: DateTime<Utc>,
    /// `CREATED`
    pub created_at: DateTime<Utc>,
    /// `LAST-MODIFIED`
    pub modified_at: DateTime<Utc>,
}

impl Icalendar {
    /// Reads a calendar; panics when it is none, or lacks what events have to have.
    pub fn parse(text: &str) -> Self {
        run("parse.py", text)
    }

    /// The event of an appointment.
    pub fn event(&self, uid: Uuid) -> &IcalendarEvent {
        self.events.iter().find(|event| event.uid == uid).unwrap_or_else(|| panic!("no event {uid}: {self:?}"))
    }
}

/// A time of something that repeats.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Occurrence {
    /// Start time.
    pub at: DateTime<Utc>,
    /// `true` if the local time does not exist because clocks go forward; `at` is the moment at which they would have
    /// shown it.
    pub skipped: bool,
}

/// Returns the occurrences of a recurrence rule (`RRULE`) from its first one on, in a time zone.
pub fn occurrences(rule: &str, timezone: &str, first: DateTime<Utc>) -> Vec<Occurrence> {
    let question = serde_json::json!({ "rule": rule, "timezone": timezone, "first": first });
    run("occurrences.py", &question.to_string())
}

/// Runs a program of `test-support/icalendar` with a text as its input and returns its output.
fn run<T: DeserializeOwned>(program: &str, text: &str) -> T {
    let support = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut child = Command::new(support.join("../target/tools/icalendar/bin/python"))
        .arg(support.join("icalendar").join(program))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("test-support/icalendar is installed: `cargo xtask test` does it");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    stdin.write_all(text.as_bytes()).expect("the program reads its input");
    drop(stdin);
    let output = child.wait_with_output().expect("the program ends");
    assert!(output.status.success(), "{program} can't read:\n{text}");
    serde_json::from_slice(&output.stdout).expect("the answer is JSON")
}
