//! `cargo xtask`: the project's own tools, one file a command. `cargo xtask help` lists them.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its terminal")]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod codegen;
mod lint;
mod spec_diff;
mod sqlx_prepare;
mod stack;
mod tools;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "RestartiX development tools", disable_help_subcommand = false)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Generate both specifications and both SDKs from the handlers.
    Codegen {
        /// Change nothing; fail if any committed file is not what comes out.
        #[arg(long)]
        check: bool,
    },
    /// Say what changed in the specifications and whom it breaks; a breaking change needs a major version.
    SpecDiff {
        /// What to compare with: a directory with both documents, or a git ref [default: openapi/released].
        #[arg(long, value_name = "DIR_OR_GITREF")]
        against: Option<String>,
    },
    /// Lint both specifications.
    Lint,
    /// Refresh the query data (server-*/.sqlx) by which the servers compile without a database.
    SqlxPrepare {
        /// Change nothing; fail if the committed data is not what comes out.
        #[arg(long)]
        check: bool,
        /// The crates to refresh (server-core, server-telemetry); both when none is named.
        packages: Vec<String>,
    },
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Task::Codegen { check } => codegen::run(check),
        Task::SpecDiff { against } => spec_diff::run(against.as_deref()),
        Task::Lint => lint::run(),
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
