//! The section of `BENCHMARKS.md` about exports.

use std::fmt::Write as _;

use chrono::Utc;

use super::{ROWS, Results, SEALED_ROWS, Turn};
use crate::report::{ROUNDS, verdict};

/// First line of the section.
const TITLE: &str = "## Exports of tables";
/// Least rate of an export, as a part of the rate of `COPY`.
const OF_COPY: f64 = 0.5;
/// Longest time to the first byte, in ms.
const FIRST_BYTE: u128 = 1_000;
/// Largest growth of the server's resident memory, in MB.
const GROWTH: f64 = 20.0;

/// Writes the table.
pub(crate) fn table(results: &Results) -> String {
    let mut text = "| table of patients | rows | rows /s | `COPY`, rows /s | of `COPY` | target | | first byte, ms | \
                    target | | memory, MB | target | |\n\
                    |---|--:|--:|--:|--:|---|---|--:|---|---|--:|---|---|\n"
        .to_owned();
    for (name, turns, has_rate) in [
        ("columns in the clear", &results.large, true),
        ("columns in the clear, small", &results.clear, false),
        ("these and four sealed columns, small", &results.sealed, false),
    ] {
        let Some(turn) = middle(turns) else { continue };
        let (target, reached) = if has_rate {
            (format!("≥ {OF_COPY:.1}"), verdict(turn.of_copy() >= OF_COPY))
        } else {
            (String::new(), "")
        };
        let first = turns.iter().map(|turn| turn.first.as_millis()).max().unwrap_or_default();
        let growth = turns.iter().map(Turn::growth).fold(0.0, f64::max);
        let _ = writeln!(
            text,
            "| {name} | {} | {:.0} | {:.0} | {:.2} | {target} | {reached} | {first} | < {FIRST_BYTE} | {} | +{growth:.1} \
             | < {GROWTH:.0} | {} |",
            turn.rows,
            turn.rate(turn.whole),
            turn.rate(turn.copied),
            turn.of_copy(),
            verdict(first < FIRST_BYTE),
            verdict(growth < GROWTH)
        );
    }
    if let (Some(clear), Some(sealed)) = (middle(&results.clear), middle(&results.sealed)) {
        let micros = |turn: &Turn| 1e6 / turn.rate(turn.whole);
        let _ = writeln!(
            text,
            "\nOpening the key of a patient and four values takes {:.1} µs a row of the time of an export.",
            micros(&sealed) - micros(&clear)
        );
    }
    text
}

/// Writes the section.
pub(crate) fn section(rounds: u32, results: &Results) -> String {
    let mut text = format!(
        "{TITLE}\n\n{}Written by `cargo xtask bench --exports` on {}.\n\n{}",
        if rounds < ROUNDS { "**Too few rounds to conclude from: this shows that the bench works.**\n\n" } else { "" },
        Utc::now().format("%F"),
        table(results),
    );
    let _ = write!(
        text,
        "\nMethod: {rounds} rounds. An export (`csv_export`) and `COPY (select …) TO STDOUT (format csv, header)` of the \
         same columns and rows take turns, and which begins changes from round to round. A row shows the round with the \
         median ratio, and the longest time to the first byte and the largest growth of memory of all rounds. The first \
         clinic has {ROWS} patients, the small one {SEALED_ROWS}, each with a key and values of its own; `COPY` does not \
         open them. Core and psql read over loopback; psql writes to `/dev/null`. Memory is the resident memory of Core, \
         read every 20 ms, less that before the export.\n"
    );
    text
}

/// Returns the turn with the median ratio, the lower one of two.
fn middle(turns: &[Turn]) -> Option<Turn> {
    let mut ordered = turns.to_vec();
    ordered.sort_by(|one, other| one.of_copy().total_cmp(&other.of_copy()));
    ordered.get(ordered.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn turn(whole: u64, copied: u64, first: u64, most: u64) -> Turn {
        let [whole, copied, first] = [whole, copied, first].map(Duration::from_millis);
        Turn { rows: 1_000, first, whole, copied, idle: 30_000_000, most }
    }

    #[test]
    fn a_row_shows_its_middle_round_and_its_worst_start() {
        let large =
            vec![turn(500, 500, 50, 30_000_000), turn(1_000, 600, 90, 31_000_000), turn(900, 300, 40, 42_000_000)];
        let clear = vec![turn(10, 5, 1, 30_000_000)];
        let text = table(&Results { large, clear: clear.clone(), sealed: vec![turn(25, 5, 2, 30_000_000)] });
        let row = "| columns in the clear | 1000 | 1000 | 1667 | 0.60 | ≥ 0.5 | reached | 90 | < 1000 | reached | +12.0 \
                   | < 20 | reached |\n";
        assert!(text.contains(row), "{row} is not in\n{text}");
        assert!(text.contains("takes 15.0 µs a row"), "{text}");
        let mut cells = text.lines().filter(|line| line.starts_with('|')).map(|line| line.matches('|').count());
        let first = cells.next().unwrap();
        assert!(cells.all(|count| count == first), "{text}");
        let slow = Results { large: vec![turn(1_000, 400, 1_000, 60_000_000)], clear, sealed: Vec::new() };
        assert!(table(&slow).contains("| 0.40 | ≥ 0.5 | missed | 1000 | < 1000 | missed | +30.0 | < 20 | missed |"));
    }
}
