//! A clinic of one size: its database, its server and the requests to it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use chrono::{NaiveTime, Utc};

use super::operations::{Ask, Operation, Scene};
use super::plans::Explained;
use super::{PATIENTS, SPECIALISTS};
use crate::http::Connection;
use crate::server::Server;
use crate::setup::Setup;
use crate::{check, database, psql};

/// Appointments that one statement inserts, so that progress shows.
const BATCH: u32 = 100_000;

/// A clinic that is measured.
#[derive(Debug)]
pub(super) struct Clinic {
    setup: Setup,
    server: Server,
    asker: Asker,
}

/// Sends requests to a clinic's server, one after the other.
#[derive(Debug)]
pub(super) struct Asker {
    scene: Scene,
    address: String,
    /// Header lines of every request.
    headers: String,
    /// Number of requests of each method so far.
    asked: (u32, u32),
}

impl Clinic {
    /// Creates a database with a clinic of `appointments` appointments and starts a server on it.
    pub(super) async fn fill(setup: &Setup, appointments: u32, telemetry_url: &str) -> Result<Self> {
        let started = Instant::now();
        eprintln!("==> filling a clinic with {appointments} appointments and {PATIENTS} patients");
        let setup = database::create(setup, &format!("scale_{appointments}")).await?;
        let variables = [("patients", PATIENTS), ("specialists", SPECIALISTS)];
        database::seed(&setup, &variables, include_str!("../../sql/scale-clinic.sql")).await?;
        let server = Server::start(&setup, telemetry_url).await?;
        let today = Utc::now().with_time(NaiveTime::MIN).single().context("a day has a midnight in UTC")?;
        let asker = Asker::new(&setup, &server, Scene { appointments, today }, (0, 0))?;
        // Its data key is real, as the page of a list opens it.
        let patient = r#"{"first_name":"Ada","last_name":"Sample"}"#;
        asker.send(&mut asker.connect().await?, &Ask::Post("/v1/patients", patient.to_owned())).await?;
        database::patients_copy(&setup, PATIENTS).await?;
        for from in (0..appointments).step_by(usize::try_from(BATCH)?) {
            let to = from.saturating_add(BATCH).min(appointments);
            let [patients, specialists] = variables;
            let variables = [patients, specialists, ("from", from), ("to", to)];
            database::seed(&setup, &variables, include_str!("../../sql/scale-appointments.sql")).await?;
            eprintln!("    {to} appointments after {} s", started.elapsed().as_secs());
        }
        database::seed(&setup, &[], "vacuum (analyze);").await?;
        check::settled(&setup).await?;
        Ok(Self { setup, server, asker })
    }

    /// Sends at most `requests` requests within `time`; returns their latencies.
    pub(super) async fn ask(&mut self, operation: &Operation, requests: u32, time: Duration) -> Result<Vec<Duration>> {
        self.asker.ask(operation, requests, time).await
    }

    /// Starts the server anew with connections that log the plan of each statement.
    pub(super) async fn explained(self, telemetry_url: &str) -> Result<Explained> {
        let Self { setup, server, asker } = self;
        server.stop().await?;
        let variables = [("size", asker.scene.appointments)];
        psql::run(&setup, &setup.superuser_url, &variables, include_str!("../../sql/scale-plans.sql")).await?;
        let server = Server::start(&setup, telemetry_url).await?;
        let asker = Asker::new(&setup, &server, asker.scene, asker.asked)?;
        Ok(Explained::new(&setup, server, asker))
    }
}

impl Asker {
    fn new(setup: &Setup, server: &Server, scene: Scene, asked: (u32, u32)) -> Result<Self> {
        let headers = format!(
            "Host: {}\r\nUser-Agent: xtask-bench\r\nAccept: application/json\r\nAuthorization: Bearer {}\r\n\
             X-Organization-Id: 1\r\n",
            server.address,
            setup.token(1)?
        );
        Ok(Self { scene, address: server.address.clone(), headers, asked })
    }

    async fn connect(&self) -> Result<Connection> {
        Connection::connect(&self.address).await
    }

    /// Sends at most `requests` requests within `time`, over a connection of their own; returns their latencies.
    pub(super) async fn ask(&mut self, operation: &Operation, requests: u32, time: Duration) -> Result<Vec<Duration>> {
        // The server closes a connection that waits for long, as one does while the next clinic is filled.
        let mut connection = self.connect().await?;
        let (mut latencies, end) = (Vec::new(), Instant::now() + time);
        for _ in 0..requests {
            // Bookings are numbered by themselves, as each takes a slot.
            let (gets, posts) = &mut self.asked;
            let ask = (operation.ask)(&self.scene, *gets);
            let ask = if let Ask::Post(..) = ask {
                *posts += 1;
                (operation.ask)(&self.scene, *posts)
            } else {
                *gets += 1;
                ask
            };
            latencies.push(self.send(&mut connection, &ask).await?);
            if Instant::now() > end {
                break;
            }
        }
        Ok(latencies)
    }

    /// Sends a request and waits for its answer; fails on any other status than the expected one.
    async fn send(&self, connection: &mut Connection, ask: &Ask) -> Result<Duration> {
        let headers = &self.headers;
        let (request, expected) = match ask {
            Ask::Get(path) => (format!("GET {path} HTTP/1.1\r\n{headers}\r\n"), 200),
            Ask::Post(path, body) => {
                let length = body.len();
                let content = format!("Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}");
                (format!("POST {path} HTTP/1.1\r\n{headers}{content}"), 201)
            }
        };
        let started = Instant::now();
        let status = connection.call(request.as_bytes()).await?;
        let took = started.elapsed();
        if status != expected {
            let body = String::from_utf8_lossy(connection.body()).chars().take(500).collect::<String>();
            bail!("{ask:?} was answered {status}, not {expected}: {body}");
        }
        Ok(took)
    }
}
