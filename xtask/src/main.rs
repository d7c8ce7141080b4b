//! `cargo xtask`: the project's own tools, one file a command. `cargo xtask help` lists them.
#![allow(
    clippy::disallowed_methods,
    reason = "these are tools: they have no config.rs, and PATH or HOME is no configuration"
)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its terminal")]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod arrows;
mod bench;
mod ci;
mod codegen;
mod demo;
mod deny;
mod dev;
mod fuzz;
mod lint;
mod migrate;
mod spec_diff;
mod sqlx_prepare;
mod stack;
mod test;
mod token;
mod tools;
mod words;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "RestartiX development tools", disable_help_subcommand = false)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Start everything on this machine: stores, servers, demo clinics.
    Dev(dev::Arguments),
    /// Run every test, Rust and TypeScript, against a stack of its own.
    Test(test::Arguments),
    /// Play a clinic's morning through the SDKs and check every step.
    Demo,
    /// Print a fresh token for a person of the running development stack.
    Token(token::Arguments),
    /// Apply both servers' migrations.
    Migrate,
    /// Generate both specifications and both SDKs from the handlers.
    Codegen {
        /// Change nothing; fail if a committed file differs from the generated one.
        #[arg(long)]
        check: bool,
    },
    /// Report changes of the specifications and the clients that they break; a breaking change needs a major version.
    SpecDiff {
        /// Base of the comparison: a directory with both documents, or a git ref [default: openapi/released].
        #[arg(long, value_name = "DIR_OR_GITREF")]
        against: Option<String>,
    },
    /// Lint both specifications.
    Lint,
    /// Check the imports between the rooms of the servers against server-*/arrows.txt.
    Arrows,
    /// Check that doc comments, pages and descriptions begin with a verb or a noun.
    Words,
    /// Check licences, bans and sources of all dependencies, and known vulnerabilities if their database can be
    /// fetched.
    Deny,
    /// Fuzz both services by their specifications and judge the results.
    Fuzz(fuzz::Options),
    /// Measure Core against naive pgbench, or Telemetry against its engines, and write BENCHMARKS.md.
    Bench(bench::Options),
    /// Run all checks that must pass before a change is merged.
    Ci {
        /// Leave the tests out: they have been run already.
        #[arg(long)]
        skip_tests: bool,
    },
    /// Refresh the query data (server-*/.sqlx) by which the servers compile without a database.
    SqlxPrepare {
        /// Change nothing; fail if the committed data differs from the generated data.
        #[arg(long)]
        check: bool,
        /// The crates to refresh (server-core, server-telemetry); both when none is named.
        packages: Vec<String>,
    },
    /// Wait for the end of the parent process, then end the processes that its record still names.
    #[command(hide = true)]
    Guard { record: PathBuf },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Task::Dev(arguments) => dev::run(&arguments),
        Task::Test(arguments) => test::run(&arguments),
        Task::Demo => demo::run(),
        Task::Token(arguments) => token::run(&arguments),
        Task::Migrate => migrate::run(),
        Task::Guard { record } => stack::record::guard(&record),
        Task::Codegen { check } => codegen::run(check),
        Task::SpecDiff { against } => spec_diff::run(against.as_deref()),
        Task::Lint => lint::run(),
        Task::Arrows => arrows::run(),
        Task::Words => words::run(),
        Task::Deny => deny::run(),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Bench(options) => bench::run(&options),
        Task::Ci { skip_tests } => ci::run(skip_tests),
        Task::SqlxPrepare { check, packages } => sqlx_prepare::run(&packages, check),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
