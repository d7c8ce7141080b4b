//! A large clinic with a segment, and the administrator who evaluates it.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::{Case, DATABASE, PATIENTS, Turn};
use crate::http::Connection;
use crate::measure::Used;
use crate::person::{Person, Row, item};
use crate::server::Server;
use crate::setup::Setup;
use crate::{check, database};

/// Jobs that evaluate a segment or are about to, and a sweep under way, which may enqueue one.
const OPEN: &str = "select count(*) from jobs
                    where kind in ('segments_follow', 'segment_evaluate') and state in ('queued', 'running')
                       or kind = 'segments_sweep' and state = 'running';";

/// A clinic that is measured.
#[derive(Debug)]
pub(super) struct Clinic {
    setup: Setup,
    server: Server,
    admin: Person,
    rule: Value,
    segment: u32,
}

/// Answer to an evaluation. A segment with faults has no changes.
#[derive(Debug, Deserialize)]
struct Evaluation {
    changes: Counts,
}

/// Numbers of patients in an answer. A preview changes none.
#[derive(Clone, Copy, Debug, Deserialize)]
struct Counts {
    #[serde(rename = "member_count")]
    members: u64,
    #[serde(rename = "joined_count", default)]
    joined: u64,
    #[serde(rename = "left_count", default)]
    left: u64,
}

impl Clinic {
    /// Creates a database with a clinic, starts a server on it, and creates a segment.
    pub(super) async fn fill(setup: &Setup, telemetry_url: &str) -> Result<Self> {
        eprintln!("==> filling a clinic with {PATIENTS} patients, their profiles, appointments and forms");
        let setup = database::create(setup, DATABASE).await?;
        database::administer(&setup).await?;
        let server = Server::start(&setup, telemetry_url).await?;
        let admin = Person::new(&setup, &server, 1, 1)?;
        let connection = &mut admin.connect().await?;
        let patient = json!({ "first_name": "Ada", "last_name": "Sample", "email": "ada@example.com" });
        let _: IgnoredAny = admin.ask(connection, "POST", "/v1/patients", &patient).await?;
        let weight = field(&admin, connection, "weight", "integer").await?;
        let smokes = field(&admin, connection, "smokes", "boolean").await?;
        let sections = json!([{ "key": "part", "label": "Part", "items": [item("hours", "integer", false)] }]);
        let definition = json!({ "language": "en", "sections": sections });
        let form = u32::try_from(admin.template(connection, "Habits", &definition).await?)?;

        database::patients_copy(&setup, PATIENTS).await?;
        let variables = [("weight", weight), ("smokes", smokes), ("form", form)];
        database::seed(&setup, &variables, include_str!("../../sql/segments-clinic.sql")).await?;
        database::seed(&setup, &[], "vacuum (analyze);").await?;
        check::settled(&setup).await?;

        // The server has closed the connection, which has waited for long.
        let connection = &mut admin.connect().await?;
        let has_email = json!({ "op": "equals", "attribute": "has_email", "value": true });
        let other = segment(&admin, connection, "Others", &has_email).await?;
        let rule = rule(weight, smokes, form, other);
        let segment = segment(&admin, connection, "Away", &rule).await?;
        Ok(Self { setup, server, admin, rule, segment })
    }

    /// Measures a request; fails if the members are not those that its case has.
    pub(super) async fn turn(&self, case: Case) -> Result<Turn> {
        self.prepare(case).await?;
        let mut connection = self.admin.connect().await?;
        let before = Used::now(&self.setup, self.server.pid)?;
        let began = Instant::now();
        let counts = self.ask(&mut connection, case).await?;
        let time = began.elapsed();
        check::forwarded(&self.setup).await?;
        let mut used = Used::default();
        used.add(before, Used::now(&self.setup, self.server.pid)?);
        let members = counts.members;
        ensure!(
            members > 0 && (counts.joined, counts.left) == case.changes(members),
            "the members of {case:?} are not as expected: {counts:?}"
        );
        Ok(Turn { time, used, members })
    }

    async fn ask(&self, connection: &mut Connection, case: Case) -> Result<Counts> {
        if case == Case::Preview {
            return self.admin.ask(connection, "POST", "/v1/segments/preview", &json!({ "rule": self.rule })).await;
        }
        let path = format!("/v1/segments/{}/evaluate", self.segment);
        let Evaluation { changes } = self.admin.ask(connection, "POST", &path, &json!({})).await?;
        Ok(changes)
    }

    /// Brings the members into the state that a case begins with, and vacuums them as autovacuum would, so that this
    /// work is not measured.
    async fn prepare(&self, case: Case) -> Result<()> {
        self.unattended().await?;
        let members = match case {
            Case::Stay | Case::Preview => "",
            Case::Join => "delete from segment_members where segment_id = :segment;",
            Case::Leave => {
                "insert into segment_members (organization_id, segment_id, patient_id, joined_at)
                 select organization_id, :segment, id, now() from patients where organization_id = 1 order by id
                 on conflict do nothing;"
            }
        };
        let script = format!("{members} vacuum (analyze) segment_members, segment_history, segments;");
        database::seed(&self.setup, &[("segment", self.segment)], &script).await?;
        check::forwarded(&self.setup).await
    }

    /// Waits until no job evaluates the segment, and sees to it that none does within the next hours, so that its
    /// members change by requests alone.
    async fn unattended(&self) -> Result<()> {
        let missing = "jobs of segments have not ended";
        check::none_left(&self.setup, OPEN, missing).await?;
        database::seed(&self.setup, &[], "update segments set due_at = now() + interval '1 day';").await?;
        // A sweep may have found the segment due before.
        check::none_left(&self.setup, OPEN, missing).await
    }

    /// Stops the server.
    pub(super) async fn stop(self) -> Result<()> {
        self.server.stop().await
    }
}

/// Creates a field of patients; returns its id.
async fn field(admin: &Person, connection: &mut Connection, key: &str, kind: &str) -> Result<u32> {
    let definition = json!({ "field_type": kind, "label": key, "phi": false });
    let body = json!({
        "entity": "patient", "key": key, "definition": definition, "readable_by": ["staff"], "writable_by": ["staff"],
    });
    let made: Row = admin.ask(connection, "POST", "/v1/custom-fields", &body).await?;
    Ok(u32::try_from(made.id)?)
}

/// Creates a segment; returns its id.
async fn segment(admin: &Person, connection: &mut Connection, name: &str, rule: &Value) -> Result<u32> {
    let body = json!({ "name": name, "rule": rule });
    let made: Row = admin.ask(connection, "POST", "/v1/segments", &body).await?;
    Ok(u32::try_from(made.id)?)
}

/// Returns a rule of five conditions on different subjects, nested.
fn rule(weight: u32, smokes: u32, form: u32, segment: u32) -> Value {
    let away = json!({ "op": "less", "appointments": { "measure": "last_at" }, "value": "today-30d" });
    let seldom = json!({ "op": "less", "appointments": { "measure": "count" }, "value": 2 });
    let hours = json!({ "op": "greater", "form": { "form_template_id": form, "key": "hours" }, "value": 3 });
    json!({ "op": "and", "rules": [
        { "op": "greater", "custom_field": { "custom_field_id": weight }, "value": 20 },
        { "op": "or", "rules": [away, { "op": "and", "rules": [seldom, hours] }] },
        { "op": "not", "rules": [{ "op": "or", "rules": [
            { "op": "equals", "custom_field": { "custom_field_id": smokes }, "value": true },
            { "op": "is_member", "segment_id": segment },
        ] }] },
    ] })
}
