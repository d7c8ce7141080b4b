//! Exports of tables as CSV: their rate beside `COPY … TO STDOUT` of the same columns, the time to the first byte, and
//! the memory of the server.
//!
//! Export and `COPY` take turns in one run, so that their ratio does not depend on the speed of the machine.

mod clinic;
mod report;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use crate::database;
use crate::exports::clinic::{Clinic, Table};
use crate::setup::Setup;
use crate::telemetry::{self, Acknowledged};

pub(crate) use report::{section, table};

/// Name of the database.
const DATABASE: &str = "exports";
/// Patients of the large clinic, whose values share a key and are mostly empty.
const ROWS: u32 = 1_000_000;
/// Patients of the small clinic, each with sealed values and a key of its own.
const SEALED_ROWS: u32 = 10_000;

/// Turns of each table, one in a round.
#[derive(Debug, Default)]
pub(crate) struct Results {
    /// Columns in the clear of the large clinic.
    large: Vec<Turn>,
    /// Columns in the clear of the small clinic.
    clear: Vec<Turn>,
    /// The same and sealed columns of the small clinic.
    sealed: Vec<Turn>,
}

/// Export and `COPY` of a table in a round.
#[derive(Clone, Copy, Debug)]
struct Turn {
    rows: u64,
    /// From the request to the first byte of the table.
    first: Duration,
    /// From the request to the end of the table.
    whole: Duration,
    copied: Duration,
    /// Resident memory of the server before the export, and the most during it, in bytes.
    idle: u64,
    most: u64,
}

impl Turn {
    fn rate(&self, time: Duration) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "rows are far fewer than 2^52")]
        let rows = self.rows as f64;
        rows / time.as_secs_f64()
    }

    /// Returns the rate of the export as a part of that of `COPY`.
    fn of_copy(&self) -> f64 {
        self.rate(self.whole) / self.rate(self.copied)
    }

    /// Returns the growth of the server's resident memory in MB.
    fn growth(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "memory is far less than 2^52 bytes")]
        let bytes = self.most.saturating_sub(self.idle) as f64;
        bytes / 1e6
    }
}

/// Measures all tables in turns, in a database of their own. Progress goes to stderr.
pub(crate) async fn run(setup: &Setup, rounds: u32) -> Result<Results> {
    let telemetry_url = telemetry::start(Arc::<Acknowledged>::default()).await?;
    let clinic = Clinic::fill(setup, &telemetry_url).await?;
    let mut results = Results::default();
    for round in 1..=rounds {
        for (table, turns) in [
            (Table::Large, &mut results.large),
            (Table::Clear, &mut results.clear),
            (Table::Sealed, &mut results.sealed),
        ] {
            let turn = clinic.turn(table, round).await?;
            eprintln!(
                "    round {round}: {} rows in {:.2} s, COPY {:.2} s, first byte after {} ms, {:.1} MB more",
                turn.rows,
                turn.whole.as_secs_f64(),
                turn.copied.as_secs_f64(),
                turn.first.as_millis(),
                turn.growth()
            );
            turns.push(turn);
        }
    }
    clinic.stop().await?;
    database::discard(setup, DATABASE).await?;
    Ok(results)
}
