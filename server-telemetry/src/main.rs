//! Telemetry API: audit trail, analytics, media sessions, body landmarks and consent.

mod access;
mod analytics;
mod app;
mod audit;
mod compliance;
mod config;
mod http;
mod identity;
mod ingest;
mod job;
mod media;
mod organization;
mod pose;
mod privacy;
mod security;
mod storage;
mod text;

use std::{
    fmt::Display,
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use server_shared::{
    allocator::{self, Allocator},
    config::Settings,
    logging,
};

use crate::{
    app::AppError,
    config::{Config, MigrateConfig},
};

#[global_allocator]
static ALLOCATOR: Allocator = allocator::new();

/// Exit code for a configuration with which the service refuses to start.
const MISCONFIGURED: u8 = 2;

#[derive(Parser)]
#[command(version, about = "The Telemetry API of RestartiX")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT.
    Serve,
    /// Bring the schemas of PostgreSQL and ClickHouse up to date.
    Migrate,
    /// Print the specification.
    Openapi,
    /// Print the columns with personal data, and the effect of erasure and anonymization on each.
    PersonalColumns,
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve => match Config::load(Settings::load()) {
            Ok(config) => {
                logging::init(config.server.log_level);
                run(app::serve(config))
            }
            Err(faults) => refuse(&faults),
        },
        Command::Migrate => match MigrateConfig::load(Settings::load()) {
            Ok(config) => {
                logging::init(config.log_level);
                run(async move { app::migrate(&config).await })
            }
            Err(faults) => refuse(&faults),
        },
        Command::Openapi => match app::specification() {
            Ok(document) => print(&document),
            Err(fault) => report(ExitCode::FAILURE, &fault),
        },
        Command::PersonalColumns => print(&privacy::registry::printed()),
    }
}

fn run(work: impl Future<Output = Result<(), AppError>>) -> ExitCode {
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(AppError::from)
        .and_then(|runtime| runtime.block_on(work));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(ExitCode::FAILURE, &error),
    }
}

fn print(text: &str) -> ExitCode {
    io::stdout().write_all(text.as_bytes()).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}

fn refuse(faults: &dyn Display) -> ExitCode {
    report(ExitCode::from(MISCONFIGURED), faults)
}

/// Writes the reason why the process ends to standard error. An error of that write is ignored.
fn report(code: ExitCode, reason: &dyn Display) -> ExitCode {
    let _ = writeln!(io::stderr(), "{reason}");
    code
}
