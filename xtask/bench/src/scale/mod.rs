//! `--scale`: the same operations in clinics of several sizes, each in a database of its own with a server of its own,
//! so that the sizes take turns within a round and a change of the machine meets all of them.

mod clinic;
mod operations;
mod plans;
mod report;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::psql;
use crate::scale::clinic::Clinic;
use crate::scale::operations::{OPERATIONS, Operation};
use crate::scale::plans::Work;
use crate::setup::Setup;
use crate::telemetry::{self, Acknowledged};

pub(crate) use report::section;

/// Number of patients of every clinic.
const PATIENTS: u32 = 100_000;
/// Number of specialists of every clinic.
const SPECIALISTS: u32 = 50;
/// Requests of an operation to one clinic in a round, unless they take longer than [`TURN`].
const REQUESTS: u32 = 60;
/// Time after which a turn ends.
const TURN: Duration = Duration::from_millis(700);
/// Requests before the plans are read: PostgreSQL chooses a generic plan, if at all, after five.
const WARM: u32 = 12;

/// Measurements of one operation.
#[derive(Debug)]
pub(crate) struct Measured {
    title: &'static str,
    /// `true` if the time may not grow with the clinic.
    flat: bool,
    /// One entry for each size.
    sizes: Vec<Size>,
}

/// Measurements of one operation in one clinic.
#[derive(Debug)]
struct Size {
    latencies: Vec<Duration>,
    work: Work,
}

/// Results, with the sizes of the clinics, smallest first.
#[derive(Debug)]
pub(crate) struct Results {
    appointments: Vec<u32>,
    rounds: u32,
    /// PostgreSQL's `shared_buffers`, with the unit.
    shared_buffers: String,
    operations: Vec<Measured>,
}

/// Measures every operation in clinics of these sizes. Progress goes to stderr.
pub(crate) async fn run(setup: &Setup, rounds: u32, sizes: &[u32]) -> Result<Results> {
    let mut appointments = sizes.to_vec();
    appointments.sort_unstable();
    appointments.dedup();
    if appointments.len() < 2 {
        bail!("--scale compares at least two sizes");
    }
    let shared_buffers = psql::run(setup, &setup.database_url, &[], "show shared_buffers").await?.trim().to_owned();
    let telemetry_url = telemetry::start(Arc::<Acknowledged>::default()).await?;
    let mut clinics = Vec::new();
    for size in &appointments {
        clinics.push(Clinic::fill(setup, *size, &telemetry_url).await?);
    }
    let mut latencies: Vec<Vec<Vec<Duration>>> = vec![vec![Vec::new(); clinics.len()]; OPERATIONS.len()];
    for clinic in &mut clinics {
        for operation in &OPERATIONS {
            clinic.ask(operation, WARM, TURN).await?;
        }
    }
    for round in 1..=rounds {
        eprintln!("==> round {round} of {rounds}");
        for (operation, latencies) in OPERATIONS.iter().zip(&mut latencies) {
            for (clinic, latencies) in clinics.iter_mut().zip(latencies) {
                latencies.extend(clinic.ask(operation, REQUESTS, TURN).await?);
            }
        }
    }
    eprintln!("==> plans");
    let mut works: Vec<Vec<Work>> = OPERATIONS.iter().map(|_| Vec::new()).collect();
    for clinic in clinics {
        let mut explained = clinic.explained(&telemetry_url).await?;
        for (operation, works) in OPERATIONS.iter().zip(&mut works) {
            works.push(explained.work(operation, WARM).await?);
        }
        explained.stop().await?;
    }
    let measured = |((operation, latencies), works): ((&Operation, Vec<Vec<Duration>>), Vec<Work>)| Measured {
        title: operation.title,
        flat: operation.flat,
        sizes: latencies.into_iter().zip(works).map(|(latencies, work)| Size { latencies, work }).collect(),
    };
    let operations = OPERATIONS.iter().zip(latencies).zip(works).map(measured).collect();
    Ok(Results { appointments, rounds, shared_buffers, operations })
}
