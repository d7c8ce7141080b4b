//! The section of `BENCHMARKS.md` about evaluations of segments.

use std::fmt::Write as _;

use chrono::Utc;

use super::{Case, PATIENTS, Results, Turn};
use crate::report::{ROUNDS, median, verdict};

/// First line of the section.
const TITLE: &str = "## Evaluation of a segment";
/// Longest time of each request, in seconds.
const LONGEST: f64 = 2.0;

/// Writes the table.
pub(crate) fn table(results: &Results) -> String {
    let mut text = format!(
        "| {PATIENTS} patients | members | who join | who leave | s (lowest–highest) | target | | processor time of \
         Core, ms | of PostgreSQL, ms |\n|---|--:|--:|--:|--:|---|---|--:|--:|\n"
    );
    for (case, turns) in &results.cases {
        let Some(Turn { members, .. }) = turns.last() else { continue };
        let (join, leave) = case.changes(*members);
        let mut times: Vec<f64> = turns.iter().map(|turn| turn.time.as_secs_f64()).collect();
        let middle = median(&mut times);
        let (lowest, highest) = (times.first().unwrap_or(&middle), times.last().unwrap_or(&middle));
        let _ = writeln!(
            text,
            "| {} | {members} | {join} | {leave} | **{middle:.2}** ({lowest:.2}–{highest:.2}) | < {LONGEST:.1} | {} \
             | {:.0} | {:.0} |",
            title(*case),
            verdict(middle < LONGEST),
            median(&mut turns.iter().map(|turn| turn.used.server.as_secs_f64() * 1e3).collect::<Vec<_>>()),
            median(&mut turns.iter().map(|turn| turn.used.postgres.as_secs_f64() * 1e3).collect::<Vec<_>>()),
        );
    }
    text
}

/// Writes the section.
pub(crate) fn section(rounds: u32, results: &Results) -> String {
    let mut text = format!(
        "{TITLE}\n\n{}Written by `cargo xtask bench`, or alone by `cargo xtask bench --segments`, on {}.\n\n{}",
        if rounds < ROUNDS { "**Too few rounds to conclude from: this shows that the bench works.**\n\n" } else { "" },
        Utc::now().format("%F"),
        table(results),
    );
    let _ = write!(
        text,
        "\nMethod: medians of {rounds} rounds, each with one request of every row, in this order. The administrator of \
         a clinic with a database and a server of its own asks, and a time is from the request (`segment_evaluate`, \
         `segment_preview`) to its answer. The rule has five conditions, nested: on two custom fields, the last \
         appointment, the number of appointments with an answer of the latest form, and members of another segment. \
         Every patient has two values and two appointments, every third a form. Before all members join, they are \
         deleted; before most leave, every patient becomes a member; the tables are vacuumed afterwards, and no job \
         evaluates the segment meanwhile. Processor time is user and system time from `/proc`, of Core and of all \
         processes of PostgreSQL, until the audit events are forwarded to a stand-in for Telemetry.\n"
    );
    text
}

/// Returns the title of a row.
fn title(case: Case) -> &'static str {
    match case {
        Case::Join => "evaluation, all members join",
        Case::Stay => "evaluation, nothing changes",
        Case::Leave => "evaluation, most leave",
        Case::Preview => "preview",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::measure::Used;
    use crate::segments::CASES;

    /// Returns a turn with its milliseconds, and those of PostgreSQL.
    fn turn(time: u64, postgres: u64) -> Turn {
        let [time, postgres] = [time, postgres].map(Duration::from_millis);
        Turn { time, used: Used { postgres, server: Duration::from_millis(10), ..Used::default() }, members: 40_000 }
    }

    #[test]
    fn a_row_has_medians_and_misses_its_target_by_them() {
        let turns = |times: [u64; 3]| times.map(|time| turn(time, time / 2)).to_vec();
        let times = [[1_900, 900, 2_500], [2_000, 2_100, 800], [500, 500, 600], [400, 410, 390]];
        let results = Results { cases: CASES.into_iter().zip(times.map(turns)).collect() };
        let text = table(&results);
        for row in [
            "evaluation, all members join | 40000 | 40000 | 0 | **1.90** (0.90–2.50) | < 2.0 | reached | 10 | 950 |\n",
            "evaluation, nothing changes | 40000 | 0 | 0 | **2.00** (0.80–2.10) | < 2.0 | missed | 10 | 1000 |\n",
            "evaluation, most leave | 40000 | 0 | 60000 | **0.50** (0.50–0.60) | < 2.0 | reached | 10 | 250 |\n",
        ] {
            assert!(text.contains(row), "{row} is not in\n{text}");
        }
        let mut cells = text.lines().map(|line| line.matches('|').count());
        let first = cells.next().unwrap();
        assert!(cells.all(|count| count == first), "{text}");
        assert!(section(ROUNDS, &results).starts_with("## Evaluation of a segment\n\nWritten by "));
    }
}
