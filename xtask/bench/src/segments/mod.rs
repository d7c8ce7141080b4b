//! Time and processor time of an evaluation of a segment in a large clinic, by the number of members that it swaps, and
//! of a preview of its rule.

mod clinic;
mod report;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use crate::database;
use crate::measure::Used;
use crate::segments::clinic::Clinic;
use crate::setup::Setup;
use crate::telemetry::{self, Acknowledged};

pub(crate) use report::{section, table};

/// Name of the database.
const DATABASE: &str = "segments";
/// Number of patients of the clinic.
const PATIENTS: u32 = 100_000;
/// Cases, in the order in which a round measures them.
const CASES: [Case; 4] = [Case::Join, Case::Stay, Case::Leave, Case::Preview];

/// Kind of request, and how its members change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    /// Evaluation of a segment without members.
    Join,
    /// Evaluation that finds the members as they are.
    Stay,
    /// Evaluation of a segment of which every patient is a member.
    Leave,
    /// Preview of the rule.
    Preview,
}

impl Case {
    /// Returns the number of patients who must join and of those who must leave, if the rule is true for `members`.
    fn changes(self, members: u64) -> (u64, u64) {
        match self {
            Self::Join => (members, 0),
            Self::Stay | Self::Preview => (0, 0),
            Self::Leave => (0, u64::from(PATIENTS).saturating_sub(members)),
        }
    }
}

/// Turns of each case, one in a round.
#[derive(Debug)]
pub(crate) struct Results {
    cases: Vec<(Case, Vec<Turn>)>,
}

/// Request of a case in a round.
#[derive(Clone, Copy, Debug)]
struct Turn {
    /// From the request to its answer.
    time: Duration,
    used: Used,
    /// Number of patients for whom the rule is true.
    members: u64,
}

/// Measures all cases in each round, in a database of their own. Progress goes to stderr.
pub(crate) async fn run(setup: &Setup, rounds: u32) -> Result<Results> {
    let telemetry_url = telemetry::start(Arc::<Acknowledged>::default()).await?;
    let clinic = Clinic::fill(setup, &telemetry_url).await?;
    let mut cases: Vec<(Case, Vec<Turn>)> = CASES.map(|case| (case, Vec::new())).into();
    for round in 1..=rounds {
        for (case, turns) in &mut cases {
            let turn = clinic.turn(*case).await?;
            eprintln!("    round {round}: {case:?}, {:.2} s, {} members", turn.time.as_secs_f64(), turn.members);
            turns.push(turn);
        }
    }
    clinic.stop().await?;
    database::discard(setup, DATABASE).await?;
    Ok(Results { cases })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_says_who_joins_and_leaves() {
        assert_eq!(CASES.map(|case| case.changes(40_000)), [(40_000, 0), (0, 0), (0, 60_000), (0, 0)]);
    }
}
