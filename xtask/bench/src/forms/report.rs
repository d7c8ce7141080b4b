//! The section of `BENCHMARKS.md` about saves of forms.

use std::fmt::Write as _;

use chrono::Utc;

use super::{FIELDS, Results, Turn};
use crate::measure::Plan;
use crate::report::{ROUNDS, verdict};

/// First line of the section.
const TITLE: &str = "## Processor time of a save of a form";
/// Limit of the processor time of a save, as a multiple of that of an update.
const OVER_UPDATE: f64 = 3.0;

/// Writes the table.
pub(crate) fn table(results: &Results) -> String {
    let [core, postgres, update] = lowest(&results.updates);
    let mut text = format!(
        "| processor time a write, µs | Core | PostgreSQL | sum | over an update | target | |\n\
         |---|--:|--:|--:|--:|---|---|\n\
         | update of an appointment | {core:.0} | {postgres:.0} | {update:.0} | 1.00 | | |\n"
    );
    let [core, postgres, save] = lowest(&results.saves);
    let ratio = save / update;
    let _ = writeln!(
        text,
        "| save of {FIELDS} fields of a form | {core:.0} | {postgres:.0} | {save:.0} | {ratio:.2} | < {OVER_UPDATE:.1} \
         | {} |",
        verdict(ratio < OVER_UPDATE)
    );
    text
}

/// Writes the section.
pub(crate) fn section(plan: Plan, results: &Results) -> String {
    let Plan { rounds, seconds, .. } = plan;
    let mut text = format!(
        "{TITLE}\n\n{}Written by `cargo xtask bench`, or alone by `cargo xtask bench --forms`, on {}.\n\n{}",
        if rounds < ROUNDS { "**Too few rounds to conclude from: this shows that the bench works.**\n\n" } else { "" },
        Utc::now().format("%F"),
        table(results),
    );
    let _ = write!(
        text,
        "\nMethod: {rounds} rounds of {seconds} s for each row. Updates and saves take turns within a round, and which \
         begins changes from round to round; a row shows its round with the lowest sum, as work in the background adds \
         to the others. The front desk of a clinic with a database and a server of its own writes on one connection, \
         one write after the other: an update changes the title of one appointment, a save changes the answers to all \
         {FIELDS} fields of one form, which are short protected texts. Every turn has a warm-up of an eighth of its \
         time. Times are user and system time from `/proc`, of Core and of all processes of PostgreSQL, until every \
         audit event is forwarded to a stand-in for Telemetry.\n"
    );
    text
}

/// Returns the µs a write of the turn with the lowest sum: of Core, of PostgreSQL, and of both.
fn lowest(turns: &[Turn]) -> [f64; 3] {
    let costs = turns.iter().map(|turn| turn.micros());
    costs.min_by(|[.., one], [.., other]| one.total_cmp(other)).unwrap_or([f64::NAN; 3])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::measure::Used;

    /// Returns a turn with the milliseconds that Core and PostgreSQL took.
    fn turn(writes: u64, server: u64, postgres: u64) -> Turn {
        let [server, postgres] = [server, postgres].map(Duration::from_millis);
        Turn { writes, used: Used { server, postgres, ..Used::default() } }
    }

    #[test]
    fn a_row_shows_its_round_with_the_lowest_sum() {
        let updates = vec![turn(1_000, 300, 1_700), turn(500, 200, 700), turn(1_000, 500, 1_500)];
        let saves = vec![turn(100, 200, 200), turn(100, 300, 300)];
        let text = table(&Results { updates, saves });
        for row in [
            "| update of an appointment | 400 | 1400 | 1800 | 1.00 | | |\n",
            "| save of 300 fields of a form | 2000 | 2000 | 4000 | 2.22 | < 3.0 | reached |\n",
        ] {
            assert!(text.contains(row), "{row} is not in\n{text}");
        }
        let mut cells = text.lines().map(|line| line.matches('|').count());
        let first = cells.next().unwrap();
        assert!(cells.all(|count| count == first), "{text}");
    }

    #[test]
    fn a_save_that_costs_more_misses_its_target() {
        let results = Results { updates: vec![turn(1, 1, 1)], saves: vec![turn(1, 4, 4)] };
        assert!(table(&results).contains("| 4.00 | < 3.0 | missed |"));
        let plan = Plan { rounds: ROUNDS, seconds: 4, connections: 1 };
        let text = section(plan, &results);
        assert!(text.starts_with("## Processor time of a save of a form\n\nWritten by "), "{text}");
    }
}
