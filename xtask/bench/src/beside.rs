//! Two builds of Core beside each other, in turns on one database: a change before and after.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use chrono::{SubsecRound as _, TimeDelta, Utc};

use crate::check::{self, APPOINTMENTS};
use crate::load::Load;
use crate::measure::{Plan, Series, Used, float};
use crate::process;
use crate::report::{median, micros_each};
use crate::requests::{CALENDARS, Caller, Kind, Requests};
use crate::server::Server;
use crate::setup::Setup;
use crate::telemetry::{self, Acknowledged};

/// Build that is measured.
struct Side {
    name: &'static str,
    server: Server,
    /// Organization that it books in, so that both find calendars of the same age.
    books: u32,
}

/// Measures this checkout's build and the one at `other` in turns, and prints a table. Progress goes to stderr.
///
/// Both have the schema of this checkout. Either may forward the audit rows of the other, so processor time of bookings
/// is that of requests and of whatever forwarding fell to a side.
pub(crate) async fn run(setup: &Setup, plan: Plan, other: &Path) -> Result<()> {
    let people = plan.connections * CALENDARS;
    eprintln!("==> seeding {APPOINTMENTS} appointments");
    let first = check::seed(setup, people).await?;
    let telemetry = telemetry::start(Arc::new(Acknowledged::default())).await?;
    let mut sides = Vec::new();
    for (name, program, books) in [("before", other, 3), ("after", &setup.server, 4)] {
        let server = Server::start_program(setup, program, name, &telemetry).await?;
        eprintln!("==> {name}: {} is ready after {} ms", program.display(), server.start.as_millis());
        sides.push(Side { name, server, books });
    }
    check::settled(setup).await?;
    let base = (Utc::now() + TimeDelta::days(1)).trunc_subsecs(0);
    println!(
        "| request | build | /s | server µs | PostgreSQL µs | both µs | of before |\n|---|---|--:|--:|--:|--:|--:|"
    );
    for title in ["get", "list", "create"] {
        let mut requests = Vec::new();
        for side in &sides {
            let organization = if title == "create" { side.books } else { 1 };
            let caller = Caller { token: setup.token(organization)?, organization };
            let kind = |connection| match title {
                "get" => Kind::Get { first, appointments: u64::from(APPOINTMENTS) },
                "list" => Kind::List,
                _ => {
                    Kind::Create { connection, connections: plan.connections, offset: (side.books - 1) * people, base }
                }
            };
            let all = 0..plan.connections;
            requests.push(all.map(|n| Requests::new(kind(n), Some(caller), &side.server.address, n)).collect());
        }
        let mut measured = [Series::default(), Series::default()];
        for round in 0..plan.rounds {
            for turn in 0..2 {
                let side = usize::from((round + turn) % 2 != 0);
                let asked = std::mem::take(&mut requests[side]);
                requests[side] = turn_of(setup, plan, &sides[side], asked, &mut measured[side]).await?;
            }
        }
        let each = |time, series: &Series| micros_each(time, series.latencies.len() as u64);
        let both = |series: &Series| each(series.used.server + series.used.postgres, series);
        for (side, series) in sides.iter().zip(&measured) {
            println!(
                "| {title} | {} | {:.0} | {:.0} | {:.0} | {:.0} | {:.2} |",
                side.name,
                median(&mut series.rates.clone()),
                each(series.used.server, series),
                each(series.used.postgres, series),
                both(series),
                both(series) / both(&measured[0]),
            );
        }
    }
    for side in sides {
        println!("{}: {:.1} MB resident", side.name, float(process::memory(side.server.pid)?) / 1e6);
        side.server.stop().await?;
    }
    Ok(())
}

async fn turn_of(
    setup: &Setup,
    plan: Plan,
    side: &Side,
    requests: Vec<Requests>,
    series: &mut Series,
) -> Result<Vec<Requests>> {
    let time = Duration::from_secs(plan.seconds.into());
    let mut load = Load::connect(&side.server.address, requests).await?;
    load.run(time / 8).await?;
    let before = Used::now(setup, side.server.pid)?;
    let run = load.run(time).await?;
    check::forwarded(setup).await?;
    series.used.add(before, Used::now(setup, side.server.pid)?);
    series.rates.push(float(run.latencies.len() as u64) / run.elapsed.as_secs_f64());
    series.latencies.extend(run.latencies);
    Ok(load.close())
}
