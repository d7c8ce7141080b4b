//! `xtask-demo`: the demo clinics of the development stack, and a morning in one of them.
//!
//! A program of its own, because it links the SDK and sqlx, and `cargo xtask` shall stay quick to build.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its terminal")]

mod calendar;
mod call;
mod scenario;
mod seed;
mod stack;
mod tokens;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about = "Demo clinics for the development stack")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write two demo clinics, their people and a week of appointments; run again, it changes nothing.
    Seed {
        /// The file that describes the stack.
        #[arg(long, value_name = "FILE")]
        stack: PathBuf,
    },
    /// Play a clinic's morning through the SDKs and check everything that both services must have done.
    Run {
        /// The file that describes the stack.
        #[arg(long, value_name = "FILE")]
        stack: PathBuf,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match Arguments::parse().command {
        Command::Seed { stack } => seed::run(&stack).await.map(|()| true),
        Command::Run { stack } => Box::pin(scenario::run(&stack)).await,
    };
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
