//! `cargo xtask`: the project's own tools, one file a command. `cargo xtask help` lists them.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its terminal")]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod sqlx_prepare;
mod stack;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "RestartiX development tools", disable_help_subcommand = false)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
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
