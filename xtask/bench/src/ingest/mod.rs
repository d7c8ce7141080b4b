//! Measurements of Telemetry, each beside the insert of the same rows by its engine alone.

mod bodies;
mod clickhouse;
mod lag;
mod postgres;
mod report;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

pub(crate) use self::bodies::Bodies;
use self::bodies::Subject;
use self::clickhouse::{ClickHouse, Inserts};
use self::lag::Lag;
use self::postgres::Trail;
use crate::http::Connection;
use crate::load::Load;
use crate::measure::{Plan, Series, float};
use crate::requests::{Caller, Kind, Requests};
use crate::server::Server;
use crate::setup::{Setup, TelemetrySetup};
use crate::{check, machine, naive, process, psql, requests};

/// Clients that send at the same time, as many pages do.
const CLIENTS: u32 = 200;
/// Connections that carry the audit trail; Core has few.
const FORWARDERS: u32 = 2;
/// Time limit for ClickHouse to merge what a turn has left.
const MERGING: Duration = Duration::from_secs(10);

/// All that was measured.
#[derive(Debug)]
struct Results {
    rows: Vec<Row>,
    lag: Lag,
    starts: Vec<Duration>,
    /// Resident bytes of the server when it was ready, and after all its requests.
    memory: (u64, u64),
    /// Parts of ClickHouse after the last request.
    parts: Vec<Parts>,
}

/// One kind of batch, by Telemetry and by the engine.
#[derive(Debug)]
struct Row {
    subject: Subject,
    clients: u32,
    server: Series,
    /// Events a second of the engine alone, in batches of the same size.
    engine: Vec<f64>,
    /// Events a second of the engine alone, in large batches.
    large: Vec<f64>,
    /// Processor time of the engine alone, and the events that it stored in that time.
    engine_used: (Duration, u64),
}

/// Parts of a table.
#[derive(Debug)]
struct Parts {
    table: String,
    rows: u64,
    active: u64,
    merges: u64,
    /// Parts after the merges under way.
    settled: u64,
}

/// The insert of one subject's rows by its engine alone.
enum Engine {
    ClickHouse(Inserts),
    Postgres(Trail),
}

struct Bench<'a> {
    setup: &'a Setup,
    telemetry: &'a TelemetrySetup,
    plan: Plan,
    server: Server,
    clickhouse: ClickHouse,
}

/// Measures Telemetry, and returns its section of the report. Progress goes to stderr.
pub(crate) async fn run(setup: &Setup, plan: Plan, load_before: String) -> Result<String> {
    let telemetry = setup.telemetry.as_ref().context("Telemetry was not set up")?;
    naive::program(setup)?;
    let people = plan.connections * requests::CALENDARS;
    check::seed(setup, people).await?;
    let core = Server::start(setup, &format!("http://127.0.0.1:{}", telemetry.port)).await?;
    check::settled(setup).await?;

    let mut starts = Vec::new();
    for _ in 1..plan.rounds {
        let server = Server::start_telemetry(setup, telemetry, &core.address).await?;
        starts.push(server.start);
        server.stop().await?;
    }
    let server = Server::start_telemetry(setup, telemetry, &core.address).await?;
    starts.push(server.start);
    let memory_start = process::memory(server.pid)?;
    eprintln!("==> server-telemetry on {}, ready after {} ms", server.address, server.start.as_millis());
    let clickhouse = ClickHouse::new(telemetry);
    let bench = Bench { setup, telemetry, plan, server, clickhouse };
    bench.consent().await?;

    eprintln!("==> lag behind Core");
    let lag = lag::measure(setup, telemetry, plan, &core, people).await?;
    core.stop().await?;
    let mut rows = Vec::new();
    for subject in Subject::ALL {
        rows.push(bench.row(subject).await?);
    }
    let memory = (memory_start, process::memory(bench.server.pid)?);
    let parts = bench.parts().await?;
    let mut machine = machine::describe(setup, load_before).await?;
    machine.push(("ClickHouse", bench.clickhouse.text("select version()").await?.trim().trim_matches('"').to_owned()));
    bench.server.stop().await?;
    let results = Results { rows, lag, starts, memory, parts };
    print!("\n{}", report::tables(&results));
    Ok(report::section(plan, &machine, &results))
}

impl Bench<'_> {
    /// Lets the patient agree to every purpose.
    async fn consent(&self) -> Result<()> {
        let body = r#"{"purposes":{"analytics":true,"media":true,"pose":true},"text_version":"1","source":"settings"}"#;
        let (address, token, length) = (&self.server.address, &self.telemetry.token, body.len());
        let request = format!(
            "PUT /v1/privacy/consent HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let mut connection = Connection::connect(address).await?;
        let status = connection.call(request.as_bytes()).await?;
        ensure!(status == 200, "the consent was answered {status}: {}", String::from_utf8_lossy(connection.body()));
        Ok(())
    }

    /// Telemetry and the engine take turns; the first one alternates, once there are rows for the engine to copy.
    async fn row(&self, subject: Subject) -> Result<Row> {
        eprintln!("==> {}", subject.title());
        let clients = if subject == Subject::Audit { FORWARDERS } else { CLIENTS };
        let token = if subject == Subject::Audit { &self.telemetry.service_token } else { &self.telemetry.token };
        let caller = Some(Caller { token, organization: self.telemetry.organization });
        let mut requests: Vec<Requests> = (0..clients)
            .map(|number| {
                let kind = Kind::Ingest(Bodies::new(subject, number, self.telemetry.organization));
                Requests::new(kind, caller, &self.server.address, number)
            })
            .collect();
        let mut row = Row {
            subject,
            clients,
            server: Series::default(),
            engine: Vec::new(),
            large: Vec::new(),
            engine_used: (Duration::ZERO, 0),
        };
        let mut engine = None;
        for round in 0..self.plan.rounds {
            for turn in 0..2 {
                match &mut engine {
                    Some(engine) if (round + turn) % 2 == 1 => self.turn_of_engine(&mut row, engine).await?,
                    _ => requests = self.turn(&mut row, requests).await?,
                }
                if engine.is_none() {
                    engine = Some(self.engine(subject).await?);
                }
            }
            if let (Some(server), Some(engine)) = (row.server.rates.last(), row.engine.last()) {
                eprintln!("    round {}: {server:.0}/s, engine {engine:.0}/s", round + 1);
            }
        }
        let sent = requests.iter().map(Requests::count).sum::<u64>() * subject.rows_each();
        let stored = self.stored(subject).await?;
        ensure!(stored >= sent, "{sent} rows of {} were acknowledged, but {stored} are stored", subject.title());
        Ok(row)
    }

    async fn engine(&self, subject: Subject) -> Result<Engine> {
        Ok(if subject == Subject::Audit {
            Engine::Postgres(Trail::new(self.setup, self.telemetry, subject.events()).await?)
        } else {
            Engine::ClickHouse(Inserts::new(&self.clickhouse, subject).await?)
        })
    }

    /// One measurement of Telemetry, after a short warm-up on the same connections.
    async fn turn(&self, row: &mut Row, requests: Vec<Requests>) -> Result<Vec<Requests>> {
        let time = self.time();
        let mut load = Load::connect(&self.server.address, requests).await?;
        load.run(time / 8).await?;
        let (server, engine, client) = (self.server_used()?, self.engine_used(row.subject)?, process::cpu_of_client()?);
        let run = load.run(time).await?;
        row.server.used.client += process::cpu_of_client()?.saturating_sub(client);
        self.merged().await?;
        row.server.used.server += self.server_used()?.saturating_sub(server);
        row.server.used.postgres += self.engine_used(row.subject)?.saturating_sub(engine);
        let events = run.latencies.len() as u64 * row.subject.events();
        row.server.rates.push(float(events) / run.elapsed.as_secs_f64());
        row.server.latencies.extend(run.latencies);
        Ok(load.close())
    }

    /// One measurement of the engine: batches of the same size, then large ones for a quarter of the time.
    async fn turn_of_engine(&self, row: &mut Row, engine: &mut Engine) -> Result<()> {
        let time = self.time();
        let before = self.engine_used(row.subject)?;
        let began = Instant::now();
        let events = match engine {
            Engine::ClickHouse(inserts) => inserts.run(&self.clickhouse, time).await?,
            Engine::Postgres(trail) => trail.run(self.plan.seconds).await?,
        };
        let elapsed = began.elapsed();
        self.merged().await?;
        row.engine_used.0 += self.engine_used(row.subject)?.saturating_sub(before);
        row.engine_used.1 += events;
        row.engine.push(float(events) / elapsed.as_secs_f64());
        if let Engine::ClickHouse(inserts) = engine {
            let began = Instant::now();
            let events = inserts.run_large(&self.clickhouse, time / 4).await?;
            row.large.push(float(events) / began.elapsed().as_secs_f64());
            self.merged().await?;
        }
        Ok(())
    }

    fn time(&self) -> Duration {
        Duration::from_secs(self.plan.seconds.into())
    }

    fn server_used(&self) -> Result<Duration> {
        process::cpu(self.server.pid)
    }

    /// Processor time of the engine that stores this subject.
    fn engine_used(&self, subject: Subject) -> Result<Duration> {
        if subject == Subject::Audit {
            process::cpu_with_children(self.setup.postgres_pid)
        } else {
            process::cpu_with_children(self.telemetry.clickhouse_pid)
        }
    }

    /// Waits until ClickHouse merges nothing, so that one turn's merges do not run while the next is measured.
    async fn merged(&self) -> Result<()> {
        let limit = Instant::now() + MERGING;
        while self.clickhouse.number("select count() from system.merges").await? > 0 && Instant::now() < limit {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// The number of rows in the table that tells how many events of a subject are stored.
    async fn stored(&self, subject: Subject) -> Result<u64> {
        if subject == Subject::Audit {
            let count = format!(
                "select count(*) from audit.audit_logs where organization_id = {};",
                self.telemetry.organization
            );
            return Ok(psql::run(self.setup, &self.telemetry.database_url, &[], &count).await?.trim().parse()?);
        }
        let Some(table) = subject.tables().last() else { bail!("{} has no table", subject.title()) };
        self.clickhouse.number(&format!("select count() from {table}")).await
    }

    async fn parts(&self) -> Result<Vec<Parts>> {
        let mut all = Vec::new();
        for subject in [Subject::Events, Subject::Media, Subject::Pose] {
            for table in subject.tables() {
                let merges = format!(
                    "select count() from system.merges where database = currentDatabase() and table = '{table}'"
                );
                all.push(Parts {
                    table: (*table).to_owned(),
                    rows: self.clickhouse.number(&format!("select count() from {table}")).await?,
                    active: self.active_parts(table).await?,
                    merges: self.clickhouse.number(&merges).await?,
                    settled: 0,
                });
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.merged().await?;
        for parts in &mut all {
            parts.settled = self.active_parts(&parts.table).await?;
        }
        Ok(all)
    }

    async fn active_parts(&self, table: &str) -> Result<u64> {
        let active = format!(
            "select count() from system.parts where database = currentDatabase() and table = '{table}' and active"
        );
        self.clickhouse.number(&active).await
    }
}
