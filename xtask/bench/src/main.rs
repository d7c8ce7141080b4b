//! `xtask-bench`: measures Core against naive `pgbench`, or Telemetry against its engines, and writes `BENCHMARKS.md`.
//!
//! A program of its own, because it is built with optimizations; `cargo xtask bench` starts the stores and runs it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its terminal")]

mod beside;
mod check;
mod database;
mod exports;
mod forms;
mod http;
mod ingest;
mod load;
mod machine;
mod measure;
mod naive;
mod person;
mod process;
mod psql;
mod report;
mod requests;
mod scale;
mod sections;
mod segments;
mod server;
mod setup;
mod telemetry;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use crate::measure::Plan;
use crate::setup::Setup;

#[derive(Debug, Parser)]
#[allow(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
#[command(about = "Core against naive pgbench, on a stack that `cargo xtask bench` has started")]
struct Arguments {
    /// The file that describes the stack.
    #[arg(long, value_name = "FILE")]
    setup: PathBuf,
    /// Number of repetitions of each measurement.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds each measurement takes.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Connections that ask at the same time.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    connections: u32,
    /// Measures another build of `server-core` in turns with this checkout's, and prints both; writes no report.
    #[arg(long, value_name = "PROGRAM")]
    beside: Option<PathBuf>,
    /// Measure clinics with these numbers of appointments, and nothing else.
    #[arg(long, value_name = "APPOINTMENTS", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1_000..))]
    scale: Vec<u32>,
    /// File that the report is written to.
    #[arg(long, value_name = "FILE")]
    report: PathBuf,
    /// Measure Telemetry instead of Core.
    #[arg(long)]
    telemetry: bool,
    /// Measure saves of a form beside updates of an appointment, and nothing else.
    #[arg(long)]
    forms: bool,
    /// Measure exports of tables beside `COPY`, and nothing else.
    #[arg(long)]
    exports: bool,
    /// Measure evaluations of a segment of a large clinic, and nothing else.
    #[arg(long)]
    segments: bool,
}

// One thread, like pgbench: the client must not take both cores from the server.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // An interrupt drops the measurement, and with it the server that it started.
    let ended = tokio::select! {
        ended = run(&arguments) => ended,
        interrupted = interrupt() => interrupted,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<()> {
    let setup = Setup::read(&arguments.setup)?;
    let plan = Plan { rounds: arguments.rounds, seconds: arguments.seconds, connections: arguments.connections };
    if let Some(other) = &arguments.beside {
        return beside::run(&setup, plan, other).await;
    }
    let load_before = machine::load()?;
    // Each kind of run writes its own sections and leaves those of the others.
    let before = std::fs::read_to_string(&arguments.report).unwrap_or_default();
    let document = if !arguments.scale.is_empty() {
        sections::replaced(&before, &scale::section(&scale::run(&setup, arguments.rounds, &arguments.scale).await?))
    } else if arguments.telemetry {
        sections::replaced(&before, &ingest::run(&setup, plan, load_before).await?)
    } else if arguments.exports {
        let exports = exports::run(&setup, arguments.rounds).await?;
        print!("\n{}", exports::table(&exports));
        sections::replaced(&before, &exports::section(arguments.rounds, &exports))
    } else if arguments.segments {
        let segments = segments::run(&setup, arguments.rounds).await?;
        print!("\n{}", segments::table(&segments));
        sections::replaced(&before, &segments::section(arguments.rounds, &segments))
    } else if arguments.forms {
        let forms = forms::run(&setup, plan).await?;
        print!("\n{}", forms::table(&forms));
        sections::replaced(&before, &forms::section(plan, &forms))
    } else {
        // Without pgbench this fails at once, not after a minute.
        naive::program(&setup)?;
        // Saves and segments are measured first: their databases are copies of Core's, which is empty until then.
        let forms = forms::run(&setup, plan).await?;
        let segments = segments::run(&setup, plan.rounds).await?;
        let results = measure::run(&setup, plan).await?;
        let machine = machine::describe(&setup, load_before).await?;
        println!("\n{}\n{}\n{}", report::tables(&results), forms::table(&forms), segments::table(&segments));
        let document = sections::kept(&before, &report::document(plan, &machine, &results));
        let document = sections::replaced(&document, &forms::section(plan, &forms));
        sections::replaced(&document, &segments::section(plan.rounds, &segments))
    };
    std::fs::write(&arguments.report, document)?;
    eprintln!("written to {}", arguments.report.display());
    Ok(())
}

async fn interrupt() -> Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    bail!("interrupted")
}
