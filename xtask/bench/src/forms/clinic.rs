//! Clinic with an appointment and a form, and the people who write them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use chrono::{SubsecRound as _, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::{DATABASE, FIELDS, Turn};
use crate::http::Connection;
use crate::measure::Used;
use crate::person::{Person, Row, item};
use crate::server::Server;
use crate::setup::Setup;
use crate::{check, database};

/// Kind of write.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Update of an appointment's title.
    Update,
    /// Save of a form that changes the answer to each field.
    Save,
}

/// A clinic that is measured.
#[derive(Debug)]
pub(super) struct Clinic {
    setup: Setup,
    server: Server,
    staff: Person,
    /// Body that created the appointment.
    booking: Value,
    appointment: Row,
    form: Row,
    /// Number of writes so far; makes the values of each write different from those of the one before.
    written: u64,
}

impl Clinic {
    /// Creates a database with a clinic, starts a server on it, and creates an appointment and a form.
    pub(super) async fn open(setup: &Setup, telemetry_url: &str) -> Result<Self> {
        let setup = database::create(setup, DATABASE).await?;
        let specialist = database::seed(&setup, &[], include_str!("../../sql/forms-clinic.sql")).await?;
        let specialist: u64 = specialist.trim().parse().context("forms-clinic.sql printed no id")?;
        let server = Server::start(&setup, telemetry_url).await?;
        check::settled(&setup).await?;

        let (staff, admin) = (Person::new(&setup, &server, 1, 1)?, Person::new(&setup, &server, 2, 1)?);
        let connection = &mut staff.connect().await?;
        let body = json!({ "first_name": "Ada", "last_name": "Sample" });
        let patient: Row = staff.ask(connection, "POST", "/v1/patients", &body).await?;
        let start = (Utc::now() + TimeDelta::days(2)).trunc_subsecs(0);
        let booking = json!({
            "title": "Follow-up",
            "started_at": start.format("%FT%TZ").to_string(),
            "ended_at": (start + TimeDelta::hours(1)).format("%FT%TZ").to_string(),
            "specialist_id": specialist,
            "patient_id": patient.id,
        });
        let appointment: Row = staff.ask(connection, "POST", "/v1/appointments", &booking).await?;

        let template = admin.template(connection, "Large", &definition()).await?;
        let body = json!({ "form_template_id": template, "patient_id": patient.id });
        let form: Row = staff.ask(connection, "POST", "/v1/forms", &body).await?;
        Ok(Self { setup, server, staff, booking, appointment, form, written: 0 })
    }

    /// Writes for the duration `time`, after a warm-up of an eighth of it, and measures until every audit event is
    /// forwarded.
    pub(super) async fn turn(&mut self, kind: Kind, time: Duration) -> Result<Turn> {
        // The server closes a connection that waits for long, as one may between two turns.
        let mut connection = self.staff.connect().await?;
        self.write(&mut connection, kind, time / 8).await?;
        check::forwarded(&self.setup).await?;
        let before = Used::now(&self.setup, self.server.pid)?;
        let writes = self.write(&mut connection, kind, time).await?;
        check::forwarded(&self.setup).await?;
        let mut used = Used::default();
        used.add(before, Used::now(&self.setup, self.server.pid)?);
        Ok(Turn { writes, used })
    }

    /// Stops the server.
    pub(super) async fn stop(self) -> Result<()> {
        self.server.stop().await
    }

    /// Writes for the duration `time`, one write after the other; returns their number.
    async fn write(&mut self, connection: &mut Connection, kind: Kind, time: Duration) -> Result<u64> {
        let (before, end) = (self.written, Instant::now() + time);
        while Instant::now() < end {
            self.written += 1;
            match kind {
                Kind::Update => {
                    let path = format!("/v1/appointments/{}", self.appointment.id);
                    let mut body = self.booking.clone();
                    body["title"] = json!(format!("Title {}", self.written));
                    body["version"] = json!(self.appointment.version);
                    self.appointment = self.staff.ask(connection, "PUT", &path, &body).await?;
                }
                Kind::Save => {
                    let path = format!("/v1/forms/{}", self.form.id);
                    let body = json!({ "version": self.form.version, "values": answers(self.written) });
                    self.form = self.staff.ask(connection, "PUT", &path, &body).await?;
                }
            }
        }
        Ok(self.written - before)
    }
}

/// Returns the definition of a template: two sections of protected texts.
fn definition() -> Value {
    let items: Vec<Value> = (0..FIELDS).map(|number| item(&key(number), "text", true)).collect();
    let sections: Vec<Value> = items
        .chunks(FIELDS / 2)
        .enumerate()
        .map(|(number, items)| json!({ "key": format!("part_{number}"), "label": "Part", "items": items }))
        .collect();
    json!({ "language": "en", "sections": sections })
}

/// Returns the key of a field.
fn key(number: usize) -> String {
    format!("item_{number}")
}

/// Returns an answer to each field, different in each write.
fn answers(write: u64) -> Map<String, Value> {
    (0..FIELDS).map(|number| (key(number), json!(format!("Answer {number} of {write}")))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_write_changes_the_answer_to_each_field() {
        let (definition, first, second) = (definition(), answers(1), answers(2));
        let sections = definition["sections"].as_array().unwrap();
        let items = sections.iter().flat_map(|section| section["items"].as_array().unwrap());
        let keys: Vec<&str> = items.map(|item| item["key"].as_str().unwrap()).collect();
        assert_eq!((keys.len(), first.len(), second.len()), (FIELDS, FIELDS, FIELDS));
        assert!(keys.iter().all(|key| first[*key] != second[*key]));
    }
}
