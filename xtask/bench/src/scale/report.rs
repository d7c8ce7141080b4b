//! The section of `BENCHMARKS.md` about growth.

use std::fmt::Write as _;
use std::time::Duration;

use chrono::Utc;

use super::{Measured, PATIENTS, Results, SPECIALISTS, Size};

/// First line of the section.
const TITLE: &str = "## Scale";
/// Largest growth of the time from the smallest to the largest clinic.
const GROWTH: f64 = 1.2;

/// Writes the section.
pub(crate) fn section(results: &Results) -> String {
    let Results { appointments, rounds, shared_buffers, operations } = results;
    let mut text = format!(
        "{TITLE}\n\nWritten by `cargo xtask bench --scale` on {}: p50 of one connection in ms, and pages of 8 KiB that \
         PostgreSQL reads for a request, by the number of appointments of the clinic.\n\n| operation |",
        Utc::now().format("%F")
    );
    for size in appointments {
        let _ = write!(text, " {} |", grouped(*size));
    }
    text += " growth | target | |";
    for size in appointments {
        let _ = write!(text, " pages, {} |", grouped(*size));
    }
    let numbers = "--:|".repeat(appointments.len());
    let _ = writeln!(text, "\n|---|{numbers}--:|---|---|{numbers}");
    for operation in operations {
        row(&mut text, operation);
    }
    let largest = appointments.last().copied().unwrap_or_default();
    let _ = write!(text, "\nScans with {} appointments, and the rows that each looked at:\n\n", grouped(largest));
    for Measured { title, sizes, .. } in operations {
        let scans = sizes.last().map(|size| size.work.scans.join("; ")).unwrap_or_default();
        let _ = writeln!(text, "- {title}: {scans}");
    }
    let _ = write!(
        text,
        "\nMethod: each clinic has a database and a server of its own, {} patients, {SPECIALISTS} specialists and 200 \
         appointments a day, the latest 35 days ahead; a larger clinic is an older one. The clinics take turns within \
         each of {rounds} rounds. PostgreSQL has {shared_buffers} of `shared_buffers`, a sixth of the machine's memory and \
         at most 4 GB, as a clinic of a million appointments would give it: the rows compare statements, not pages that \
         come from the operating system's cache. Pages and scans are those of one request after the others, as \
         `auto_explain` logs them; statements within functions count for their pages and are not listed.\n",
        grouped(PATIENTS)
    );
    text
}

fn row(text: &mut String, Measured { title, flat, sizes }: &Measured) {
    let times: Vec<f64> = sizes.iter().map(|Size { latencies, .. }| p50(latencies)).collect();
    let _ = write!(text, "| {title} |");
    for time in &times {
        let _ = write!(text, " {time:.2} |");
    }
    let growth = times.last().zip(times.first()).map_or(f64::NAN, |(last, first)| last / first);
    let target = if *flat { format!("≤ {GROWTH}") } else { String::new() };
    let verdict = match (flat, growth <= GROWTH) {
        (true, true) => "reached",
        (true, false) => "missed",
        (false, _) => "",
    };
    let _ = write!(text, " **{growth:.2}** | {target} | {verdict} |");
    for Size { work, .. } in sizes {
        let _ = write!(text, " {} |", work.buffers);
    }
    text.push('\n');
}

/// Returns the median in milliseconds.
fn p50(latencies: &[Duration]) -> f64 {
    let mut sorted = latencies.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).map_or(f64::NAN, |median| median.as_secs_f64() * 1000.0)
}

/// Formats a number with commas between thousands.
fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!([grouped(7), grouped(10_000), grouped(1_000_000)], ["7", "10,000", "1,000,000"]);
    }
}
