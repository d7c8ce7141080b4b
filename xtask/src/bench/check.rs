//! `cargo xtask bench --check`: compares the ratios of a run with those of the committed report.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};

/// Share of its committed ratio that a row may lose to noise. Ratios of two runs on one quiet machine differ by up to a
/// tenth.
const TOLERANCE: f64 = 0.15;

/// Row whose ratio is lower than the committed one by more than the tolerance.
#[derive(Debug, PartialEq)]
struct Fallen {
    row: String,
    committed: f64,
    measured: f64,
}

/// Compares the report that `measure` returns with the `committed` one, and measures once more if a row has fallen.
///
/// # Errors
/// Fails if a row has fallen in both runs, and names each such row; if the run has no row, or one that `committed`
/// lacks.
pub(super) fn run(committed: &str, mut measure: impl FnMut() -> Result<String>) -> Result<()> {
    let first = fallen(committed, &measure()?)?;
    if first.is_empty() {
        eprintln!("==> no ratio has fallen by more than {:.0} %", TOLERANCE * 100.0);
        return Ok(());
    }
    eprintln!("==> fallen, so everything is measured once more:\n{}", listed(&first));
    let mut again = fallen(committed, &measure()?)?;
    again.retain(|row| first.iter().any(|before| before.row == row.row));
    ensure!(
        again.is_empty(),
        "slower than the committed BENCHMARKS.md in two runs. Find the cause by `cargo xtask bench --beside` and the \
         program of an earlier commit, or commit the report of `cargo xtask bench` and say why:\n{}",
        listed(&again)
    );
    eprintln!("==> no ratio has fallen in both runs");
    Ok(())
}

fn listed(rows: &[Fallen]) -> String {
    let line =
        |Fallen { row, committed, measured }: &Fallen| format!("    {row}: {measured:.2} instead of {committed:.2}");
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Returns the rows of `measured` that are lower than in `committed`.
fn fallen(committed: &str, measured: &str) -> Result<Vec<Fallen>> {
    let committed = ratios(committed);
    let measured = ratios(measured);
    ensure!(!measured.is_empty(), "the run reported no ratio");
    let mut fallen = Vec::new();
    for (row, measured) in measured {
        let Some(&committed) = committed.get(&row) else {
            bail!("BENCHMARKS.md has no row {row}: commit a report that has it before you compare with it");
        };
        if measured < committed * (1.0 - TOLERANCE) {
            fallen.push(Fallen { row, committed, measured });
        }
    }
    Ok(fallen)
}

/// Returns the ratio of each row of a report: rows begin with their title in backticks, and the ratio is bold.
fn ratios(report: &str) -> BTreeMap<String, f64> {
    let row = |line: &str| {
        let title = line.strip_prefix("| `")?.split_once('`')?.0;
        let ratio = line.split_once("**")?.1.split_once("**")?.0.parse().ok()?;
        Some((title.to_owned(), ratio))
    };
    report.lines().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMITTED: &str = include_str!("../../../BENCHMARKS.md");

    /// Returns the committed report with every ratio multiplied.
    fn scaled(factor: f64) -> String {
        let mut report = COMMITTED.to_owned();
        for (row, ratio) in ratios(COMMITTED) {
            let line =
                report.lines().find(|line| line.starts_with(&format!("| `{row}`")) && line.contains("**")).unwrap();
            let changed = line.replace(&format!("**{ratio:.2}**"), &format!("**{:.4}**", ratio * factor));
            report = report.replace(line, &changed);
        }
        report
    }

    #[test]
    fn the_committed_report_has_ratios_and_none_has_fallen() {
        let rows = ratios(COMMITTED);
        for request in ["GET /v1/appointments/{id}", "POST /v1/appointments, with audit and outbox row"] {
            assert!(rows.contains_key(request), "{rows:?}");
        }
        run(COMMITTED, || Ok(COMMITTED.to_owned())).unwrap();
    }

    #[test]
    fn a_row_that_fell_twice_fails_and_is_named() {
        let mut runs = [scaled(0.8), scaled(0.8)].into_iter();
        let error = run(COMMITTED, || Ok(runs.next().unwrap())).unwrap_err().to_string();
        for row in ratios(COMMITTED).keys() {
            assert!(error.contains(row), "{row} is not in {error}");
        }
    }

    #[test]
    fn noise_is_tolerated_and_one_slow_run_repeated() {
        run(COMMITTED, || Ok(scaled(0.9))).unwrap();
        let mut runs = [scaled(0.8), scaled(0.95)].into_iter();
        run(COMMITTED, || Ok(runs.next().unwrap())).unwrap();
        assert!(runs.next().is_none(), "the second run was needed");
    }

    #[test]
    fn a_report_without_rows_or_with_unknown_ones_is_an_error() {
        run(COMMITTED, || Ok(String::new())).unwrap_err();
        run("", || Ok(COMMITTED.to_owned())).unwrap_err();
    }
}
