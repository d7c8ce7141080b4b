//! The measurements, in their order.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use chrono::{SubsecRound as _, TimeDelta, Utc};

use crate::check::{self, APPOINTMENTS};
use crate::load::Load;
use crate::naive::{self, Script};
use crate::process;
use crate::requests::{CALENDARS, Caller, Kind, Requests};
use crate::server::Server;
use crate::setup::Setup;
use crate::telemetry::{self, Acknowledged};

/// Extent of the measurements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) rounds: u32,
    pub(crate) seconds: u32,
    pub(crate) connections: u32,
}

/// All that was measured.
#[derive(Debug)]
pub(crate) struct Results {
    pub(crate) health: Series,
    pub(crate) subjects: Vec<Subject>,
    /// From execution to ready, each start.
    pub(crate) starts: Vec<Duration>,
    /// Resident bytes of the server when it was ready, and after all its requests.
    pub(crate) memory: (u64, u64),
    /// Longest wait, after a round of bookings, until the last audit event was forwarded.
    pub(crate) forwarded: Duration,
    /// Audit events in a forwarded batch, on average.
    pub(crate) batch: f64,
}

/// One kind of request, by the server and naively.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) title: &'static str,
    /// Ratio of the server's rate to the naive one: required minimum and goal.
    pub(crate) target: (f64, f64),
    pub(crate) server: Series,
    pub(crate) naive: Naive,
}

/// The server's rounds of one kind of request.
#[derive(Debug, Default)]
pub(crate) struct Series {
    /// Requests a second, each round.
    pub(crate) rates: Vec<f64>,
    /// One entry a request.
    pub(crate) latencies: Vec<Duration>,
    pub(crate) used: Used,
}

/// pgbench's rounds.
#[derive(Debug, Default)]
pub(crate) struct Naive {
    pub(crate) rates: Vec<f64>,
    pub(crate) transactions: u64,
    pub(crate) used: Used,
}

/// Processor time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    pub(crate) server: Duration,
    /// All of PostgreSQL's processes.
    pub(crate) postgres: Duration,
    /// The load generator: this program or pgbench.
    pub(crate) client: Duration,
}

/// State that all measurements share.
struct Bench<'a> {
    setup: &'a Setup,
    plan: Plan,
    server: Server,
}

/// Progress of Core's audit forwarder.
struct Forwarding {
    acknowledged: Arc<Acknowledged>,
    /// Number of events that are expected.
    booked: u64,
    longest: Duration,
}

/// Measures everything. Progress goes to stderr.
pub(crate) async fn run(setup: &Setup, plan: Plan) -> Result<Results> {
    naive::program(setup)?;
    let people = plan.connections * CALENDARS;
    eprintln!("==> seeding {APPOINTMENTS} appointments");
    let first = check::seed(setup, people).await?;
    let acknowledged = Arc::new(Acknowledged::default());
    let telemetry_url = telemetry::start(Arc::clone(&acknowledged)).await?;

    let mut starts = Vec::new();
    for _ in 1..plan.rounds {
        let server = Server::start(setup, &telemetry_url).await?;
        starts.push(server.start);
        server.stop().await?;
    }
    let server = Server::start(setup, &telemetry_url).await?;
    starts.push(server.start);
    let memory_start = process::memory(server.pid)?;
    eprintln!("==> server-core on {}, ready after {} ms", server.address, server.start.as_millis());
    check::settled(setup).await?;
    let bench = Bench { setup, plan, server };

    let mut health = Series::default();
    let mut requests = bench.requests(None, |_| Kind::Health);
    for _ in 0..plan.rounds {
        requests = bench.round(requests, &mut health, None).await?;
    }
    let get = bench.get(first).await?;
    let list = bench.list().await?;
    let mut forwarding = Forwarding { acknowledged, booked: 0, longest: Duration::ZERO };
    let create = bench.create(people, &mut forwarding).await?;
    let Acknowledged { events, batches } = &*forwarding.acknowledged;
    let batch = float(events.load(Ordering::Relaxed)) / float(batches.load(Ordering::Relaxed).max(1));
    let memory = (memory_start, process::memory(bench.server.pid)?);
    bench.server.stop().await?;
    Ok(Results { health, subjects: vec![get, list, create], starts, memory, forwarded: forwarding.longest, batch })
}

impl Bench<'_> {
    async fn get(&self, first: u64) -> Result<Subject> {
        let appointments = u64::from(APPOINTMENTS);
        let requests = self.requests(Some(self.caller(1)?), |_| Kind::Get { first, appointments });
        let variables = vec![("first", first.to_string()), ("appointments", appointments.to_string())];
        let mut script = Script::new(self.setup, "get", include_str!("../sql/naive-get.sql"), 1, variables)?;
        let (server, naive) = self.interleaved(requests, &mut script, None).await?;
        Ok(Subject { title: "GET /v1/appointments/{id}", target: (1.0, 1.2), server, naive })
    }

    async fn list(&self) -> Result<Subject> {
        let requests = self.requests(Some(self.caller(1)?), |_| Kind::List);
        let mut script = Script::new(self.setup, "list", include_str!("../sql/naive-list.sql"), 1, Vec::new())?;
        let (server, naive) = self.interleaved(requests, &mut script, None).await?;
        Ok(Subject { title: "GET /v1/appointments?page_size=25, with total", target: (1.0, 1.2), server, naive })
    }

    async fn create(&self, people: u32, forwarding: &mut Forwarding) -> Result<Subject> {
        let connections = self.plan.connections;
        let base = (Utc::now() + TimeDelta::days(1)).trunc_subsecs(0);
        // People are numbered through: those of organization 3 come after those of 1 and 2.
        let offset = 2 * people;
        let requests =
            self.requests(Some(self.caller(3)?), |connection| Kind::Create { connection, connections, offset, base });
        let variables = vec![
            ("offset", (3 * people).to_string()),
            ("connections", connections.to_string()),
            ("base", base.to_rfc3339()),
        ];
        let mut script = Script::new(self.setup, "create", include_str!("../sql/naive-create.sql"), 4, variables)?;
        let (server, naive) = self.interleaved(requests, &mut script, Some(forwarding)).await?;
        check::created(self.setup, forwarding.booked, naive.transactions).await?;
        Ok(Subject { title: "POST /v1/appointments, with audit and outbox row", target: (0.9, 1.1), server, naive })
    }

    fn caller(&self, organization: u32) -> Result<Caller<'_>> {
        Ok(Caller { token: self.setup.token(organization)?, organization })
    }

    fn requests(&self, caller: Option<Caller<'_>>, kind: impl Fn(u32) -> Kind) -> Vec<Requests> {
        let address = &self.server.address;
        (0..self.plan.connections).map(|number| Requests::new(kind(number), caller, address, number)).collect()
    }

    /// Server and pgbench take turns; the first one alternates from round to round.
    async fn interleaved(
        &self,
        mut requests: Vec<Requests>,
        script: &mut Script,
        mut forwarding: Option<&mut Forwarding>,
    ) -> Result<(Series, Naive)> {
        let (mut server, mut naive) = (Series::default(), Naive::default());
        eprintln!("==> {}", script.name);
        for round in 0..self.plan.rounds {
            for turn in 0..2 {
                if (round + turn) % 2 == 0 {
                    requests = self.round(requests, &mut server, forwarding.as_deref_mut()).await?;
                } else {
                    self.round_naive(script, &mut naive).await?;
                }
            }
            if let (Some(server), Some(naive)) = (server.rates.last(), naive.rates.last()) {
                eprintln!("    round {}: {server:.0}/s, naive {naive:.0}/s", round + 1);
            }
        }
        Ok((server, naive))
    }

    /// One measurement of the server, after a short warm-up on the same connections. Returns the requests to go on
    /// with.
    async fn round(
        &self,
        requests: Vec<Requests>,
        series: &mut Series,
        mut forwarding: Option<&mut Forwarding>,
    ) -> Result<Vec<Requests>> {
        let time = Duration::from_secs(self.plan.seconds.into());
        let mut load = Load::connect(&self.server.address, requests).await?;
        load.run(time / 8).await?;
        if let Some(forwarding) = forwarding.as_deref_mut() {
            forwarding.wait(load.asked()).await?;
        }
        let before = self.used()?;
        let run = load.run(time).await?;
        if let Some(forwarding) = forwarding {
            // Deferred work must not run while pgbench is measured, and its cost counts for the server.
            let waited = Instant::now();
            forwarding.wait(load.asked()).await?;
            forwarding.longest = forwarding.longest.max(waited.elapsed());
        }
        series.used.add(before, self.used()?);
        series.rates.push(float(run.latencies.len() as u64) / run.elapsed.as_secs_f64());
        series.latencies.extend(run.latencies);
        Ok(load.close())
    }

    async fn round_naive(&self, script: &mut Script, naive: &mut Naive) -> Result<()> {
        let before = self.used()?;
        let outcome = script.run(self.plan.seconds, self.plan.connections).await?;
        naive.used.add(before, self.used()?);
        naive.rates.push(outcome.per_second);
        naive.transactions += outcome.transactions;
        Ok(())
    }

    fn used(&self) -> Result<Used> {
        Used::now(self.setup, self.server.pid)
    }
}

impl Used {
    /// Reads the processor time that the server with the process id `server`, PostgreSQL and this program have used.
    pub(crate) fn now(setup: &Setup, server: u32) -> Result<Self> {
        Ok(Self {
            server: process::cpu(server)?,
            postgres: process::cpu_with_children(setup.postgres_pid)?,
            client: process::cpu_of_client()?,
        })
    }

    pub(crate) fn add(&mut self, before: Self, after: Self) {
        self.server += after.server.saturating_sub(before.server);
        self.postgres += after.postgres.saturating_sub(before.postgres);
        self.client += after.client.saturating_sub(before.client);
    }
}

impl Forwarding {
    /// Waits until so many events have been acknowledged.
    async fn wait(&mut self, events: u64) -> Result<()> {
        self.booked = events;
        let started = Instant::now();
        while self.acknowledged.events.load(Ordering::Relaxed) < events {
            if started.elapsed() > Duration::from_mins(1) {
                bail!("a minute after the last booking its audit event is still not forwarded");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

/// A count as a number to divide.
pub(crate) fn float(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
