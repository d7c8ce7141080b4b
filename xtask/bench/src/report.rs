//! The results as tables, for the terminal and for `BENCHMARKS.md`.

use std::fmt::Write as _;
use std::time::Duration;

use chrono::Utc;

use crate::check::APPOINTMENTS;
use crate::measure::{Plan, Results, Series, Subject, float};

/// Most resident bytes of a server after its start, and after the bench.
const MEMORY: (u64, u64) = (30 << 20, 60 << 20);
/// Longest start.
const START: Duration = Duration::from_millis(100);
/// Highest cost of a read, as a multiple of the cost of `/health`: 120 µs if that costs 20 µs.
const OVER_HEALTH: f64 = 6.0;

/// Fewer rounds have no median to speak of.
pub(crate) const ROUNDS: u32 = 3;

/// All tables.
pub(crate) fn tables(results: &Results) -> String {
    let mut text = throughput(results);
    text.push('\n');
    text += &processor(results);
    text.push('\n');
    text += &process(results);
    text
}

/// The whole document.
pub(crate) fn document(plan: Plan, machine: &[(&'static str, String)], results: &Results) -> String {
    let Plan { rounds, seconds, connections } = plan;
    let mut text = format!(
        "# Benchmarks\n\n{}Written by `cargo xtask bench` on {}; run it to measure your own machine. Times on a shared \
         machine mean little: read the ratios, whose two sides were measured in turn.\n\n## Core\n\n",
        if rounds < ROUNDS { "**Too few rounds to conclude from: this shows that the bench works.**\n\n" } else { "" },
        Utc::now().format("%F"),
    );
    text += &tables(results);
    let _ = write!(
        text,
        "\n## Method\n\n\
         - {rounds} rounds of {seconds} s for each row, {connections} connections. Server and pgbench take turns within \
           a round, and who begins changes from round to round. Rates are medians of the rounds; *over naive* is the \
           median of the rounds' ratios, with the lowest and the highest. Latencies are of all rounds together.\n\
         - The server is the release build with its \
           default pool. Each request goes the whole way: session token (RS256), caller and organization, permission, \
           row-level security as `restartix_app`, access log (to a file, level `info`). Each connection asks again as \
           soon as it is answered; any other status than the expected one ends the run. Every measurement has a warm-up \
           of an eighth of its time on the same connections.\n\
         - *Naive* is a straightforward server, played by `pgbench -M prepared` as the same role on the same database: \
           user and membership by Clerk id, `BEGIN`, the context in one `set_config` statement, the queries, `COMMIT`; \
           one round trip each. Get: select by id. List: count and page. Create: reference check, INSERT of the \
           appointment, INSERT of an audit row. It speaks no HTTP, checks no token, writes no log, and has neither \
           outbox nor locks. The scripts are `xtask/bench/sql/naive-*.sql`.\n\
         - The organization that is read has {APPOINTMENTS} appointments and shares its tables with another of that \
           size. Bookings go to two organizations that were empty, one for each side, in calendars that only one \
           connection books. Their titles are sealed before anything is measured; naive reads them in clear.\n\
         - Telemetry is a stand-in that acknowledges everything, while Core's forwarder works through its outbox as in \
           production. The server's and PostgreSQL's processor time counts until every event is forwarded; the rate \
           counts bookings alone, and the last table says how long the forwarder had still to work after a round. \
           Afterwards each booking that was answered is checked to be there with its audit row, and the outbox to be \
           empty.\n\
         - pgbench connects anew each round and has no warm-up: connecting is not counted, planning its statements is. \
           That favours the server a little, the less the longer a round.\n\
         - Processor time is user and system time from `/proc`, over the requests of the measured time.\n\
         - The stack is thrown away afterwards; its PostgreSQL is durable (`fsync`, `synchronous_commit`).\n\n\
         ## Machine and versions\n\n| what | which |\n|---|---|\n"
    );
    for (what, which) in machine {
        let _ = writeln!(text, "| {what} | {which} |");
    }
    text
}

fn throughput(results: &Results) -> String {
    let mut text = String::from(
        "| request | server /s | naive /s | over naive (lowest–highest) | target | | p50 ms | p99 ms |\n\
         |---|--:|--:|--:|---|---|--:|--:|\n",
    );
    for Subject { title, target: (reach, aim), server, naive } in &results.subjects {
        let mut ratios: Vec<f64> =
            server.rates.iter().zip(&naive.rates).map(|(server, naive)| server / naive).collect();
        let ratio = median(&mut ratios);
        let _ = writeln!(
            text,
            "| `{title}` | {:.0} | {:.0} | **{ratio:.2}** ({:.2}–{:.2}) | ≥ {reach:.1}, aim {aim:.1} | {} | {} |",
            median(&mut server.rates.clone()),
            median(&mut naive.rates.clone()),
            ratios.first().unwrap_or(&ratio),
            ratios.last().unwrap_or(&ratio),
            verdict(ratio >= *reach),
            latencies(server),
        );
    }
    let health = &results.health;
    let _ =
        writeln!(text, "| `GET /health` | {:.0} | | | | | {} |", median(&mut health.rates.clone()), latencies(health));
    text
}

fn processor(results: &Results) -> String {
    let mut text = String::from(
        "| processor time a request, µs | server | PostgreSQL | load generator | naive: PostgreSQL | naive: pgbench | \
         server over /health | target | |\n|---|--:|--:|--:|--:|--:|--:|---|---|\n",
    );
    let row = |series: &Series| {
        let count = series.latencies.len() as u64;
        let used = series.used;
        [used.server, used.postgres, used.client].map(|time| micros_each(time, count))
    };
    let [health, postgres, client] = row(&results.health);
    let _ = writeln!(text, "| `GET /health` | {health:.0} | {postgres:.0} | {client:.0} | | | 1.0 | | |");
    for (index, Subject { title, server, naive, .. }) in results.subjects.iter().enumerate() {
        let [own, postgres, client] = row(server);
        let over = own / health;
        // The target is set for a read of one row.
        let target = if index == 0 {
            format!("≤ {OVER_HEALTH:.1} | {}", verdict(over <= OVER_HEALTH))
        } else {
            "| ".to_owned()
        };
        let _ = writeln!(
            text,
            "| `{title}` | {own:.0} | {postgres:.0} | {client:.0} | {:.0} | {:.0} | {over:.1} | {target} |",
            micros_each(naive.used.postgres, naive.transactions),
            micros_each(naive.used.client, naive.transactions),
        );
    }
    text
}

fn process(results: &Results) -> String {
    let mut text = String::from("| the server's process | measured | target | |\n|---|--:|---|---|\n");
    text += &start_and_memory(&results.starts, results.memory);
    let _ = writeln!(
        text,
        "| last audit event forwarded after the last booking of a round, longest | {} ms | | |",
        results.forwarded.as_millis()
    );
    let _ = writeln!(text, "| audit events in a forwarded batch, mean | {:.1} | | |", results.batch);
    text
}

/// Rows of the start of a server, and of its resident bytes after the start and after the bench.
pub(crate) fn start_and_memory(starts: &[Duration], (after_start, after_bench): (u64, u64)) -> String {
    let start = median(&mut starts.iter().map(Duration::as_secs_f64).collect::<Vec<_>>());
    let mut text = String::new();
    let _ = writeln!(
        text,
        "| from execution to ready, migrations done | {:.0} ms | < {} ms | {} |",
        start * 1e3,
        START.as_millis(),
        verdict(start < START.as_secs_f64())
    );
    for (what, bytes, limit) in [("after start", after_start, MEMORY.0), ("after the bench", after_bench, MEMORY.1)] {
        let _ = writeln!(
            text,
            "| resident memory {what} | {:.1} MB | < {:.0} MB | {} |",
            megabytes(bytes),
            megabytes(limit),
            verdict(bytes < limit)
        );
    }
    text
}

fn megabytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes >> 10).unwrap_or(u32::MAX)) / 1024.0
}

pub(crate) fn verdict(holds: bool) -> &'static str {
    if holds { "reached" } else { "missed" }
}

/// p50 and p99 in milliseconds, as two cells.
pub(crate) fn latencies(series: &Series) -> String {
    let mut sorted = series.latencies.clone();
    sorted.sort_unstable();
    let at = |percent: usize| sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1)));
    let cell = |percent| at(percent).map_or_else(String::new, |time| format!("{:.2}", time.as_secs_f64() * 1e3));
    format!("{} | {}", cell(50), cell(99))
}

pub(crate) fn micros_each(time: Duration, count: u64) -> f64 {
    time.as_secs_f64() * 1e6 / float(count.max(1))
}

/// The middle one, or the mean of both; sorts the values.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values {
        [] => 0.0,
        _ if values.len() % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Naive, Used};

    #[test]
    fn a_median_is_in_the_middle() {
        assert!((median(&mut [3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&mut [4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
    }

    #[test]
    fn every_row_has_every_cell() {
        let series = |rate: f64| Series {
            rates: vec![rate],
            latencies: vec![Duration::from_millis(1), Duration::from_millis(3)],
            used: Used { server: Duration::from_micros(200), ..Used::default() },
        };
        let subject = Subject {
            title: "GET /x",
            target: (1.0, 1.2),
            server: series(150.0),
            naive: Naive { rates: vec![100.0], transactions: 1, ..Naive::default() },
        };
        let results = Results {
            health: series(1000.0),
            subjects: vec![subject],
            starts: vec![Duration::from_millis(40)],
            memory: (10 << 20, 70 << 20),
            forwarded: Duration::from_millis(5),
            batch: 10.0,
        };
        let text = tables(&results);
        for table in text.split("\n\n") {
            let mut cells = table.lines().map(|line| line.matches('|').count());
            let first = cells.next().unwrap();
            assert!(cells.all(|count| count == first), "{table}");
        }
        for part in ["**1.50** (1.50–1.50) | ≥ 1.0, aim 1.2 | reached |", "| 70.0 MB | < 60 MB | missed |"] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
