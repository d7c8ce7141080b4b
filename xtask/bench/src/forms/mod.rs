//! Processor time of a save of a form with many fields, beside that of an appointment's update.
//!
//! Both are measured in turns of one run, so that their ratio does not depend on the speed of the machine.

mod clinic;
mod report;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use crate::database;
use crate::forms::clinic::{Clinic, Kind};
use crate::measure::{Plan, Used};
use crate::report::micros_each;
use crate::setup::Setup;
use crate::telemetry::{self, Acknowledged};

pub(crate) use report::{section, table};

/// Name of the database.
const DATABASE: &str = "forms";
/// Number of fields of the form.
const FIELDS: usize = 300;

/// Turns of both kinds, one of each in a round.
#[derive(Debug, Default)]
pub(crate) struct Results {
    /// Updates of an appointment.
    updates: Vec<Turn>,
    /// Saves of all fields of a form.
    saves: Vec<Turn>,
}

/// Writes of one kind in a round.
#[derive(Clone, Copy, Debug)]
struct Turn {
    writes: u64,
    used: Used,
}

impl Turn {
    /// Returns the processor time of a write in µs: of Core, of PostgreSQL, and of both.
    fn micros(self) -> [f64; 3] {
        let Used { server, postgres, .. } = self.used;
        [server, postgres, server + postgres].map(|time| micros_each(time, self.writes))
    }
}

/// Measures both kinds of writes in turns, in a database of their own. Progress goes to stderr.
pub(crate) async fn run(setup: &Setup, plan: Plan) -> Result<Results> {
    eprintln!("==> saves of a form of {FIELDS} fields beside updates of an appointment");
    let telemetry_url = telemetry::start(Arc::<Acknowledged>::default()).await?;
    let mut clinic = Clinic::open(setup, &telemetry_url).await?;
    let time = Duration::from_secs(plan.seconds.into());
    let mut results = Results::default();
    for round in 0..plan.rounds {
        for turn in 0..2 {
            if (round + turn) % 2 == 0 {
                results.updates.push(clinic.turn(Kind::Update, time).await?);
            } else {
                results.saves.push(clinic.turn(Kind::Save, time).await?);
            }
        }
        if let (Some(update), Some(save)) = (results.updates.last(), results.saves.last()) {
            let ([.., update], [.., save]) = (update.micros(), save.micros());
            eprintln!("    round {}: {update:.0} µs an update, {save:.0} µs a save", round + 1);
        }
    }
    clinic.stop().await?;
    database::discard(setup, DATABASE).await?;
    Ok(results)
}
