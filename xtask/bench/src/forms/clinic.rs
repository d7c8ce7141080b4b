//! Clinic with an appointment and a form, and the people who write them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use chrono::{SubsecRound as _, TimeDelta, Utc};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value, json};

use super::{FIELDS, Turn};
use crate::http::Connection;
use crate::measure::Used;
use crate::server::Server;
use crate::setup::Setup;
use crate::{check, psql};

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

/// Parts of an answer that the next write refers to.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Row {
    id: u64,
    version: u64,
}

/// A person of the clinic who sends requests.
#[derive(Debug)]
struct Person {
    /// `host:port` of Core.
    address: String,
    /// Header lines of every request.
    headers: String,
}

impl Clinic {
    /// Creates a database with a clinic, starts a server on it, and creates an appointment and a form.
    pub(super) async fn open(setup: &Setup, telemetry_url: &str) -> Result<Self> {
        let create = "create database forms template restartix owner restartix;
                      grant connect on database forms to restartix_app;";
        psql::run(setup, &setup.superuser_url, &[], create).await?;
        let setup = setup.of_database("forms")?;
        check::clinics(&setup, &setup.superuser_url, 2).await?;
        let script = include_str!("../../sql/forms-clinic.sql");
        let specialist = psql::run(&setup, &setup.superuser_url, &[], script).await.context("cannot seed")?;
        let specialist: u64 = specialist.trim().parse().context("forms-clinic.sql printed no id")?;
        let server = Server::start(&setup, telemetry_url).await?;
        check::settled(&setup).await?;

        let (staff, admin) = (Person::new(&setup, &server, 1)?, Person::new(&setup, &server, 2)?);
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

        let body = json!({ "name": "Large", "definition": definition() });
        let template: Row = admin.ask(connection, "POST", "/v1/form-templates", &body).await?;
        let path = format!("/v1/form-templates/{}/publish", template.id);
        let body = json!({ "version": template.version });
        let _: IgnoredAny = admin.ask(connection, "POST", &path, &body).await?;
        let body = json!({ "form_template_id": template.id, "patient_id": patient.id });
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

impl Person {
    /// Returns the person with token `number`, as somebody of organization 1.
    fn new(setup: &Setup, server: &Server, number: u32) -> Result<Self> {
        let address = server.address.clone();
        let headers = format!(
            "Host: {address}\r\nUser-Agent: xtask-bench\r\nAccept: application/json\r\nAuthorization: Bearer {}\r\n\
             X-Organization-Id: 1\r\nContent-Type: application/json\r\n",
            setup.token(number)?
        );
        Ok(Self { address, headers })
    }

    async fn connect(&self) -> Result<Connection> {
        Connection::connect(&self.address).await
    }

    /// Sends a request and returns what it reads of its answer; fails unless a `POST` is answered 201, others 200.
    async fn ask<T: DeserializeOwned>(
        &self,
        connection: &mut Connection,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<T> {
        let body = body.to_string();
        let (headers, length) = (&self.headers, body.len());
        let request = format!("{method} {path} HTTP/1.1\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
        let status = connection.call(request.as_bytes()).await?;
        let expected = if method == "POST" { 201 } else { 200 };
        if status != expected {
            let said = String::from_utf8_lossy(connection.body()).chars().take(500).collect::<String>();
            bail!("{method} {path} was answered {status}, not {expected}: {said}");
        }
        serde_json::from_slice(connection.body()).with_context(|| format!("the answer of {method} {path}"))
    }
}

/// Returns the definition of a template: two sections of protected texts.
fn definition() -> Value {
    let item = |number: usize| {
        let field = json!({ "field_type": "text", "label": key(number), "phi": true });
        json!({ "key": key(number), "field": { "definition": field } })
    };
    let items: Vec<Value> = (0..FIELDS).map(item).collect();
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
