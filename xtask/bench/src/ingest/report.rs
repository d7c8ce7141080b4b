//! The results as tables.

use std::fmt::Write as _;
use std::time::Duration;

use chrono::Utc;

use super::bodies::Subject;
use super::{Results, Row, lag};
use crate::measure::{Plan, float};
use crate::report::{ROUNDS, latencies, median, micros_each, start_and_memory, verdict};

/// Least part of the engine's own rate in batches of 100.
const OVER_ENGINE: f64 = 0.5;
/// Least number of events or frames a second.
const EVENTS: f64 = 20_000.0;
/// Longest lag of 99 in 100 mutations.
const LAG: Duration = Duration::from_secs(1);

/// All tables.
pub(super) fn tables(results: &Results) -> String {
    [throughput(results), processor(results), process(results), parts(results)].join("\n")
}

/// The whole section.
pub(super) fn section(plan: Plan, machine: &[(&'static str, String)], results: &Results) -> String {
    let Plan { rounds, seconds, connections } = plan;
    let mut text = format!(
        "## Telemetry\n\n{}Written by `cargo xtask bench --telemetry` on {}.\n\n{}",
        if rounds < ROUNDS { "**Too few rounds to conclude from: this shows that the bench works.**\n\n" } else { "" },
        Utc::now().format("%F"),
        tables(results),
    );
    let _ = write!(
        text,
        "\n### Method of Telemetry\n\n\
         - {rounds} rounds of {seconds} s for each row. Telemetry and the engine take turns within a round, and who begins \
           changes from round to round. Rates are medians of the rounds; *over the engine* is the median of the rounds' \
           ratios, with the lowest and the highest. Before each turn ClickHouse has ended its merges.\n\
         - The server is the release build with its default pools. Each request goes the whole way: token (EdDSA, of Core), \
           consent, schema of the body, compliance, group commit, access log (to a file, level `info`). A client sends again \
           as soon as it is answered, and an answer other than 202 ends the run. Afterwards the stored rows are counted: none \
           that was acknowledged may be missing.\n\
         - *The engine* is one client that inserts the same rows, copied from what Telemetry has stored, in batches of the \
           same size, each durable before the next: for ClickHouse `RowBinary` over one HTTP connection into a table of the \
           same definition, with Telemetry's settings; for PostgreSQL `INSERT … SELECT` of a batch that lies in the database, \
           with the same indexes and without triggers, by `pgbench -M prepared`. *In large batches* is the same in batches of \
           10,000 events.\n\
         - A media batch holds as many heartbeats as samples, and leaves one row of the session and a row a sample. Landmarks \
           have five digits after the point, as JSON without compression.\n\
         - Processor time of the engine includes the merges that a turn leaves.\n\
         - The lag is the difference between the times of commit that PostgreSQL records in both databases \
           (`track_commit_timestamp`), for each of {} mutations a second: bookings on {connections} connections, by the release \
           build of Core with its forwarder.\n\n\
         | what | which |\n|---|---|\n",
        lag::RATE,
    );
    for (what, which) in machine {
        let _ = writeln!(text, "| {what} | {which} |");
    }
    text
}

fn throughput(results: &Results) -> String {
    let mut text = String::from(
        "| batches | clients | events /s | engine /s | over the engine (lowest–highest) | engine in large batches /s | over that | target | | p50 ms | p99 ms |\n\
         |---|--:|--:|--:|--:|--:|--:|---|---|--:|--:|\n",
    );
    for Row { subject, clients, server, engine, large, .. } in &results.rows {
        let mut ratios: Vec<f64> = server.rates.iter().zip(engine).map(|(server, engine)| server / engine).collect();
        let ratio = median(&mut ratios);
        let rate = median(&mut server.rates.clone());
        let (target, holds) = match subject {
            Subject::Events => (
                format!("≥ {OVER_ENGINE} of the engine, ≥ {EVENTS:.0}/s"),
                verdict(ratio >= OVER_ENGINE && rate >= EVENTS),
            ),
            Subject::Pose => (format!("≥ {EVENTS:.0}/s"), verdict(rate >= EVENTS)),
            Subject::SingleEvents | Subject::Media | Subject::Audit => (String::new(), ""),
        };
        let most = median(&mut large.clone());
        let large = if large.is_empty() { " | ".to_owned() } else { format!("{most:.0} | {:.2}", rate / most) };
        let _ = writeln!(
            text,
            "| `{}` | {clients} | {rate:.0} | {:.0} | **{ratio:.2}** ({:.2}–{:.2}) | {large} | {target} | {holds} | {} |",
            subject.title(),
            median(&mut engine.clone()),
            ratios.first().unwrap_or(&ratio),
            ratios.last().unwrap_or(&ratio),
            latencies(server),
        );
    }
    text
}

fn processor(results: &Results) -> String {
    let mut text = String::from(
        "| processor time an event, µs | server | engine | load generator | the engine alone |\n|---|--:|--:|--:|--:|\n",
    );
    for Row { subject, server, engine_used: (used, events), .. } in &results.rows {
        let count = server.latencies.len() as u64 * subject.events();
        let _ = writeln!(
            text,
            "| `{}` | {:.1} | {:.1} | {:.1} | {:.1} |",
            subject.title(),
            micros_each(server.used.server, count),
            micros_each(server.used.postgres, count),
            micros_each(server.used.client, count),
            micros_each(*used, *events),
        );
    }
    text
}

fn process(results: &Results) -> String {
    let mut text = String::from("| the server's process, and its lag | measured | target | |\n|---|--:|---|---|\n");
    text += &start_and_memory(&results.starts, results.memory);
    let lags = &results.lag.lags;
    let at = |percent: usize| lags.get((lags.len() * percent / 100).min(lags.len().saturating_sub(1)));
    let lag = |percent| at(percent).copied().unwrap_or_default();
    let _ = writeln!(
        text,
        "| from Core's commit to Telemetry's, p50, at {:.0} mutations a second | {} ms | | |",
        results.lag.rate,
        lag(50).as_millis()
    );
    let _ = writeln!(
        text,
        "| the same, p99 of {} | {} ms | < {} ms | {} |",
        float(lags.len() as u64),
        lag(99).as_millis(),
        LAG.as_millis(),
        verdict(lag(99) < LAG)
    );
    text
}

fn parts(results: &Results) -> String {
    let mut text = String::from(
        "| parts left behind | rows | active parts | merges under way | parts when these had ended |\n|---|--:|--:|--:|--:|\n",
    );
    for parts in &results.parts {
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} |",
            parts.table, parts.rows, parts.active, parts.merges, parts.settled
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::{Lag, Parts};
    use super::*;
    use crate::measure::Series;

    #[test]
    fn every_row_has_every_cell() {
        let row = |subject, large| Row {
            subject,
            clients: 200,
            server: Series { rates: vec![30_000.0], latencies: vec![Duration::from_millis(2)], ..Series::default() },
            engine: vec![40_000.0],
            large,
            engine_used: (Duration::from_millis(1), 100),
        };
        let results = Results {
            rows: vec![row(Subject::Events, vec![60_000.0]), row(Subject::Audit, Vec::new())],
            lag: Lag { lags: vec![Duration::from_millis(80)], rate: 200.0 },
            starts: vec![Duration::from_millis(90)],
            memory: (20 << 20, 70 << 20),
            parts: vec![Parts { table: "pose_frames".to_owned(), rows: 5, active: 2, merges: 1, settled: 1 }],
        };
        let text = tables(&results);
        for table in text.split("\n\n") {
            let mut cells = table.lines().map(|line| line.matches('|').count());
            let first = cells.next().unwrap();
            assert!(cells.all(|count| count == first), "{table}");
        }
        for part in [
            "**0.75** (0.75–0.75) | 60000 | 0.50 |",
            "| 70.0 MB | < 60 MB | missed |",
            "| 80 ms | < 1000 ms | reached |",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
