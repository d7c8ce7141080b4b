//! `cargo xtask ci`: runs all checks that must pass before a change is merged, the cheapest first. The first failing
//! step ends the run.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::stack::paths;
use crate::tools;

/// A step: its name and the command that does it. `xtask` stands for this program.
struct Step {
    name: &'static str,
    program: Program,
    arguments: &'static [&'static str],
}

#[derive(Clone, Copy)]
enum Program {
    Cargo,
    Xtask,
}

const STEPS: [Step; 13] = [
    Step { name: "format", program: Program::Cargo, arguments: &["fmt", "--all", "--check"] },
    Step { name: "arrows", program: Program::Xtask, arguments: &["arrows"] },
    Step { name: "words", program: Program::Xtask, arguments: &["words"] },
    Step { name: "deny", program: Program::Xtask, arguments: &["deny"] },
    Step {
        name: "clippy",
        program: Program::Cargo,
        arguments: &["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"],
    },
    // The workspace builds the SDK with both features on; each must also compile alone.
    Step {
        name: "sdk, core only",
        program: Program::Cargo,
        arguments: &["check", "--quiet", "-p", "restartix-sdk", "--no-default-features", "--features", "core"],
    },
    Step {
        name: "sdk, telemetry only",
        program: Program::Cargo,
        arguments: &["check", "--quiet", "-p", "restartix-sdk", "--no-default-features", "--features", "telemetry"],
    },
    Step { name: "codegen --check", program: Program::Xtask, arguments: &["codegen", "--check"] },
    Step { name: "sqlx-prepare --check", program: Program::Xtask, arguments: &["sqlx-prepare", "--check"] },
    Step { name: "lint", program: Program::Xtask, arguments: &["lint"] },
    Step { name: "spec-diff", program: Program::Xtask, arguments: &["spec-diff"] },
    Step { name: "test", program: Program::Xtask, arguments: &["test"] },
    Step { name: "fuzz", program: Program::Xtask, arguments: &["fuzz"] },
];

/// Runs every step, times it and prints a table at the end. `skip_tests` leaves the tests out, for `.ci/run`, which has
/// run them already.
///
/// # Errors
/// Fails if a step fails; the error names it.
pub(crate) fn run(skip_tests: bool) -> Result<()> {
    // Read now, because a step may rebuild this program, and the path would then lead to the new one.
    let xtask = std::env::current_exe().context("cannot find the path of this program")?;
    let mut table = Vec::new();
    let mut outcome = Ok(());
    for step in STEPS.iter().filter(|step| !(skip_tests && step.name == "test")) {
        eprintln!("── {}", step.name);
        let started = Instant::now();
        outcome = tools::run(&mut command(step, &xtask), step.name);
        table.push((step.name, outcome.is_ok(), started.elapsed()));
        if outcome.is_err() {
            break;
        }
    }
    println!("{}", summary(&table));
    outcome
}

fn command(step: &Step, xtask: &Path) -> Command {
    let mut command = match step.program {
        Program::Cargo => tools::cargo(),
        Program::Xtask => Command::new(xtask),
    };
    command.args(step.arguments).current_dir(paths::checkout());
    command
}

fn summary(table: &[(&str, bool, Duration)]) -> String {
    let row = |name: &str, result: &str, took: Duration| {
        format!("| {name:<20} | {result:<6} | {:>7.1} |", took.as_secs_f32())
    };
    let mut lines = vec![String::new(), "| step | result | seconds |".to_owned(), "|---|---|---|".to_owned()];
    for (name, passed, took) in table {
        lines.push(row(name, if *passed { "passed" } else { "FAILED" }, *took));
    }
    lines.push(row("all", "", table.iter().map(|(_, _, took)| *took).sum()));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_has_a_line_a_step_and_names_the_failed_one() {
        let text = summary(&[("format", true, Duration::from_secs(1)), ("clippy", false, Duration::from_secs(2))]);
        assert!(text.contains("| format               | passed |     1.0 |"), "{text}");
        assert!(text.contains("| clippy               | FAILED |     2.0 |"), "{text}");
        assert!(text.contains("| all                  |        |     3.0 |"), "{text}");
    }
}
