//! `cargo xtask test`: every test, Rust and TypeScript, against a stack of its own that goes away afterwards.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::stack::house::{self, House, Options};
use crate::stack::stores::Purpose;
use crate::stack::{paths, wait};
use crate::tools;

/// The variable by which tests find the stack: the absolute path of its `stack.json`.
const VARIABLE: &str = "RESTARTIX_TEST_STACK";

/// Arguments of `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Start the stack and keep it until Ctrl-C, to run single tests against it by hand.
    #[arg(long)]
    stack_only: bool,
    /// Directory of the stack's state; another directory is another stack.
    #[arg(long, value_name = "DIR", default_value = "target/test")]
    state: PathBuf,
    /// Arguments for `cargo nextest run`; then nothing else is tested.
    #[arg(last = true)]
    nextest: Vec<String>,
}

/// Starts the stack, runs the tests, and stops the stack regardless of their result.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let state = paths::checkout().join(&arguments.state);
    // Clerk's own libraries, with which tests make tokens and messages that Core must accept.
    tools::npm_install(&paths::checkout().join("test-support/clerk"))?;
    // An independent parser of the calendars that Core writes.
    tools::python("icalendar", "test-support/icalendar/requirements.txt")?;
    let options = Options { embedded: true, unseeded: arguments.stack_only };
    stack_run(&state, options, |stack| {
        if arguments.stack_only {
            println!("{VARIABLE}={}", stack.display());
            wait::until_stopped();
            return Ok(());
        }
        let mut failed = Vec::new();
        for phase in phases(&arguments.nextest)? {
            house::phase(&phase.title);
            let started = Instant::now();
            let passed = phase.run(stack)?;
            let seconds = started.elapsed().as_secs_f32();
            eprintln!("    {} in {seconds:.1} s", if passed { "passed" } else { "FAILED" });
            if !passed {
                failed.push(phase.title);
            }
        }
        if failed.is_empty() { Ok(()) } else { bail!("failed: {}", failed.join(", ")) }
    })
}

/// Runs `body` with the path of a fresh test stack's `stack.json`. The stack is stopped before this returns.
pub(crate) fn with_stack(state: &Path, body: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    stack_run(state, Options { embedded: true, ..Options::default() }, body)
}

fn stack_run(state: &Path, options: Options, body: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let house = House::start(Purpose::Test, state, options)?;
    let result = body(&house.stack_file());
    house::phase("stopping the test stack");
    let stopped = house.stop();
    result.and(stopped)
}

struct Phase {
    title: String,
    program: &'static str,
    arguments: Vec<String>,
    directory: PathBuf,
}

impl Phase {
    fn cargo(title: &str, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self { title: title.to_owned(), program: "cargo", arguments, directory: paths::checkout() }
    }

    fn npm(title: &str, arguments: &[&str]) -> Self {
        let directory = paths::checkout().join("sdk/typescript");
        Self { program: "npm", directory, ..Self::cargo(title, arguments) }
    }

    /// Runs it; false when it failed. Its output is the terminal's.
    fn run(&self, stack: &Path) -> Result<bool> {
        let mut command = if self.program == "cargo" { tools::cargo() } else { Command::new(self.program) };
        let status = command
            .args(&self.arguments)
            .current_dir(&self.directory)
            .env(VARIABLE, stack)
            .stdin(Stdio::null())
            .stdout(io::stderr())
            .status()
            .with_context(|| format!("cannot run {}: is it installed?", self.program))?;
        wait::check_stop()?;
        Ok(status.success())
    }
}

fn phases(filter: &[String]) -> Result<Vec<Phase>> {
    let nextest = tools::cargo()
        .args(["nextest", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !filter.is_empty() {
        if !nextest {
            bail!("arguments for nextest, but it is missing: `cargo install cargo-nextest --locked`");
        }
        let mut phase = Phase::cargo("Rust tests", &["nextest", "run"]);
        phase.arguments.extend(filter.iter().cloned());
        return Ok(vec![phase]);
    }
    let mut phases = vec![if nextest {
        Phase::cargo("Rust tests", &["nextest", "run", "--workspace"])
    } else {
        Phase::cargo("Rust tests (without nextest)", &["test", "--workspace", "--bins", "--lib", "--tests"])
    }];
    phases.push(Phase::cargo("documentation tests", &["test", "--doc", "--workspace"]));
    if paths::checkout().join("sdk/typescript/package.json").exists() {
        phases.push(Phase::npm("TypeScript dependencies", &["ci"]));
        phases.push(Phase::npm("TypeScript tests", &["test"]));
    }
    Ok(phases)
}
