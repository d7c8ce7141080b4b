//! Bodies of the requests to Telemetry.

use std::fmt::Write as _;

use chrono::{SecondsFormat, Utc};

/// Landmarks of a body, each of four numbers.
const LANDMARKS: u32 = 33;
/// Batches of a media or pose session.
const BATCHES_OF_SESSION: u64 = 20;

/// Kinds of batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Events,
    SingleEvents,
    Media,
    Pose,
    Audit,
}

impl Subject {
    pub(super) const ALL: [Self; 5] = [Self::Events, Self::SingleEvents, Self::Media, Self::Pose, Self::Audit];

    /// Name in the report.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Events => "analytics/track, 100 events",
            Self::SingleEvents => "analytics/track, 1 event",
            Self::Media => "media/events, 20 events",
            Self::Pose => "pose/frames, 30 frames",
            Self::Audit => "audit/ingest, 1,000 events",
        }
    }

    /// Number of events in a batch.
    pub(super) fn events(self) -> u64 {
        match self {
            Self::Events => 100,
            Self::SingleEvents => 1,
            Self::Media => 20,
            Self::Pose => 30,
            Self::Audit => 1_000,
        }
    }

    /// Rows that a batch leaves in each of [`Self::tables`], the last of which gets `rows_each`.
    pub(super) fn rows(self) -> &'static [u64] {
        match self {
            Self::Events => &[100],
            Self::SingleEvents => &[1],
            Self::Media => &[1, 10],
            Self::Pose => &[30],
            Self::Audit => &[1_000],
        }
    }

    /// Number of rows that a batch leaves in the last of its tables.
    pub(super) fn rows_each(self) -> u64 {
        self.rows().last().copied().unwrap_or_default()
    }

    /// Tables of ClickHouse that get the rows.
    pub(super) fn tables(self) -> &'static [&'static str] {
        match self {
            Self::Events | Self::SingleEvents => &["analytics_events"],
            Self::Media => &["media_sessions", "media_bandwidth_samples"],
            Self::Pose => &["pose_frames"],
            Self::Audit => &[],
        }
    }
}

/// Bodies of one connection, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Bodies {
    subject: Subject,
    /// Number of the connection, which keeps its ids apart from those of the others.
    number: u32,
    organization: u32,
    /// Number of batches, and of ids, so far.
    batches: u64,
    ids: u64,
    session: String,
    body: String,
}

impl Bodies {
    pub(super) fn new(subject: Subject, number: u32, organization: u32) -> Self {
        Self { subject, number, organization, batches: 0, ids: 0, session: String::new(), body: String::new() }
    }

    /// The path of the operation.
    pub(crate) fn path(&self) -> &'static str {
        match self.subject {
            Subject::Events | Subject::SingleEvents => "/v1/analytics/track",
            Subject::Media => "/v1/media/events",
            Subject::Pose => "/v1/pose/frames",
            Subject::Audit => "/v1/audit/ingest",
        }
    }

    /// Writes the next batch and returns it.
    pub(crate) fn next(&mut self) -> &str {
        let now = Utc::now();
        let time = now.to_rfc3339_opts(SecondsFormat::Millis, true);
        let milliseconds = now.timestamp_millis();
        let step = self.batches % BATCHES_OF_SESSION;
        if step == 0 {
            self.session = self.id(milliseconds);
        }
        self.batches += 1;
        let mut body = std::mem::take(&mut self.body);
        body.clear();
        // Writing to a String cannot fail.
        let _ = match self.subject {
            Subject::Events | Subject::SingleEvents => self.events(&mut body, &time, milliseconds),
            Subject::Media => self.media(&mut body, &time, step),
            Subject::Pose => self.pose(&mut body, &time, step),
            Subject::Audit => self.audit(&mut body, &time, milliseconds),
        };
        self.body = body;
        &self.body
    }

    fn events(&mut self, body: &mut String, time: &str, milliseconds: i64) -> std::fmt::Result {
        write!(body, r#"{{"sent_at":"{time}","events":["#)?;
        for n in 0..self.subject.events() {
            let id = self.id(milliseconds);
            write!(
                body,
                r#"{}{{"event_id":"{id}","name":"booking_started","occurred_at":"{time}","page":"/appointments/book","properties":{{"step":"choose_time","slots_shown":{},"returning":true}}}}"#,
                comma(n),
                n % 40,
            )?;
        }
        body.write_str("]}")
    }

    /// Half of the events are samples of the connection, as in a call.
    fn media(&mut self, body: &mut String, time: &str, step: u64) -> std::fmt::Result {
        write!(body, r#"{{"session_id":"{}","sent_at":"{time}","events":["#, self.session)?;
        for n in 0..self.subject.events() {
            let sequence = step * self.subject.events() + n;
            write!(body, r#"{}{{"sequence":{sequence},"occurred_at":"{time}","#, comma(n))?;
            if n % 2 == 0 {
                body.write_str(r#""kind":"heartbeat"}"#)?;
            } else {
                write!(
                    body,
                    r#""kind":"bandwidth","uplink_kbps":{},"downlink_kbps":{},"round_trip_ms":48,"packet_loss":0.25}}"#,
                    1_100 + n,
                    2_400 + n,
                )?;
            }
        }
        body.write_str("]}")
    }

    fn pose(&mut self, body: &mut String, time: &str, step: u64) -> std::fmt::Result {
        write!(
            body,
            r#"{{"session_id":"{}","exercise_id":"knee-extension","started_at":"{time}","sent_at":"{time}","frames":["#,
            self.session
        )?;
        for n in 0..self.subject.events() {
            let offset = (step * self.subject.events() + n) * 33;
            write!(body, r#"{}{{"offset_ms":{offset},"landmarks":["#, comma(n))?;
            // Five digits after the point, finer than what is stored.
            let shift = u32::try_from(offset % 977).unwrap_or_default() + 7 * (self.number % 100);
            for landmark in 0..LANDMARKS {
                let value = 20_000 + 1_511 * landmark + shift;
                write!(
                    body,
                    "{}[0.{value:05},0.{:05},-0.{:05},0.9{:04}]",
                    comma(landmark.into()),
                    value + 5_003,
                    value / 3,
                    value % 10_000,
                )?;
            }
            body.write_str("]}")?;
        }
        body.write_str("]}")
    }

    fn audit(&mut self, body: &mut String, time: &str, milliseconds: i64) -> std::fmt::Result {
        let organization = self.organization;
        body.write_str(r#"{"events":["#)?;
        for n in 0..self.subject.events() {
            let (id, user) = (self.id(milliseconds), 1 + n % 20);
            write!(
                body,
                r#"{}{{"id":"{id}","occurred_at":"{time}","organization_id":{organization},"actor_user_id":{user},"actor_kind":"user","action":"created","entity_type":"appointment","entity_id":"{n}","changed_fields":["title","started_at","ended_at","specialist_id","patient_id"],"request_id":"{id}","outcome":"succeeded","operation_id":"appointment_create","ip":"203.0.113.{user}","user_agent":"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"}}"#,
                comma(n),
            )?;
        }
        body.write_str("]}")
    }

    /// A `UUIDv7` of this millisecond that no other connection makes.
    fn id(&mut self, milliseconds: i64) -> String {
        self.ids += 1;
        let (high, low) = (milliseconds >> 16, milliseconds & 0xffff);
        format!("{high:08x}-{low:04x}-7{:03x}-8{:03x}-{:012x}", self.subject as u8, self.number, self.ids)
    }
}

fn comma(n: u64) -> &'static str {
    if n == 0 { "" } else { "," }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn batches_are_full_and_no_event_comes_twice() {
        for (subject, list, key) in [
            (Subject::Events, "events", "event_id"),
            (Subject::SingleEvents, "events", "event_id"),
            (Subject::Media, "events", "sequence"),
            (Subject::Pose, "frames", "offset_ms"),
            (Subject::Audit, "events", "id"),
        ] {
            let mut keys = BTreeSet::new();
            // One more than a session has.
            let batches = if list == "frames" || key == "sequence" { BATCHES_OF_SESSION + 1 } else { 2 };
            for number in 0..2 {
                let mut bodies = Bodies::new(subject, number, 1);
                for _ in 0..batches {
                    let body: Value = serde_json::from_str(bodies.next()).unwrap();
                    let events = body[list].as_array().unwrap();
                    assert_eq!(events.len() as u64, subject.events());
                    keys.extend(events.iter().map(|event| (body["session_id"].to_string(), event[key].to_string())));
                }
            }
            assert_eq!(keys.len() as u64, 2 * batches * subject.events(), "{}", subject.title());
        }
    }

    #[test]
    fn a_frame_has_all_landmarks_in_reach() {
        let mut bodies = Bodies::new(Subject::Pose, 199, 1);
        let body: Value = serde_json::from_str(bodies.next()).unwrap();
        for frame in body["frames"].as_array().unwrap() {
            let landmarks = frame["landmarks"].as_array().unwrap();
            assert_eq!(landmarks.len(), 33);
            let mut numbers = landmarks.iter().flat_map(|landmark| landmark.as_array().unwrap());
            assert!(numbers.all(|number| number.as_f64().unwrap().abs() < 1.0));
        }
    }
}
