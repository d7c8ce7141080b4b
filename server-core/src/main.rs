//! RestartiX Core API:
//! `server-core serve | migrate | bootstrap | rotate-keys | refresh-values | personal-data | openapi`.

mod app;
mod audit;
mod bootstrap;
mod command;
mod config;
mod database;
mod domain;
mod encryption;
mod event;
mod holding;
mod http;
mod identity;
mod ids;
mod integration;
mod jobs;
mod name_keys;
mod remembered;
mod rotation;
mod wake;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use server_shared::allocator::{self, Allocator};

#[global_allocator]
static ALLOCATOR: Allocator = allocator::new();

/// Organizations, patients, specialists and appointments of rehabilitation clinics.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API until SIGTERM or SIGINT
    Serve,
    /// Migrate the database to this version's schema; does nothing if it is up to date
    Migrate,
    /// Create the first superadmin and the first clinic of an installation
    ///
    /// Reads DATABASE_URL alone. Does nothing if all of it exists, and refuses if another user is a superadmin already.
    /// The people named sign in at Clerk as usual, before or afterwards.
    #[command(after_help = bootstrap::EXIT_CODES)]
    Bootstrap(bootstrap::Plan),
    /// Rewrap every data key with the current ENCRYPTION_KEY, while servers run
    ///
    /// Reads DATABASE_URL, ENCRYPTION_KEY and ENCRYPTION_KEYS_OLD alone. Can be interrupted at any moment and run
    /// again: it continues where it stopped.
    #[command(after_help = rotation::EXIT_CODES)]
    RotateKeys {
        /// Change nothing; only count the values under each key
        #[arg(long)]
        dry_run: bool,
    },
    /// Bring stored names and indexes into their present form, while servers serve
    ///
    /// Reads DATABASE_URL, ENCRYPTION_KEY, ENCRYPTION_KEYS_OLD and BLIND_INDEX_KEY alone, which must be those of the
    /// servers. Can be ended at any moment and run again: it continues. Servers do the same in the background.
    #[command(after_help = name_keys::EXIT_CODES)]
    RefreshValues {
        /// Change nothing: only count what is left
        #[arg(long)]
        dry_run: bool,
    },
    /// Print the columns that hold personal data, how a person's rows are found, and how erasure treats them
    PersonalData,
    /// Print the OpenAPI specification; needs no database, secret or network
    Openapi,
}

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve => command::serve().await,
        Command::Migrate => command::migrate().await,
        Command::Bootstrap(plan) => command::bootstrap(&plan).await,
        Command::RotateKeys { dry_run } => command::rotate_keys(dry_run).await,
        Command::RefreshValues { dry_run } => command::refresh_values(dry_run).await,
        Command::PersonalData => command::personal_data(),
        Command::Openapi => command::openapi(),
    }
}
