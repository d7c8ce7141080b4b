//! Commands of the program; each returns its exit code.

use std::{io::Write as _, process::ExitCode};

use secrecy::ExposeSecret;
use server_shared::{config::ConfigFaults, http::document::Document, logging};
use sqlx::{ConnectOptions, Connection, migrate::Migrator, postgres::PgConnectOptions};

use crate::{
    app::{self, Api, HOLDINGS, INFO},
    bootstrap,
    config::{self, Config, RefreshConfig, RotationConfig},
    name_keys, rotation,
};

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations/core");

/// `server-core serve`
pub(crate) async fn serve() -> ExitCode {
    match Config::load() {
        Ok(config) => {
            logging::init(config.server.log_level);
            let served = app::run(config).await;
            if let Err(error) = &served {
                tracing::error!(%error, "the service ended");
            }
            ended(served.map_err(|error| error.to_string()))
        }
        Err(faults) => refused(&faults),
    }
}

/// `server-core personal-data`
pub(crate) fn personal_data() -> ExitCode {
    ended(std::io::stdout().write_all(HOLDINGS.printed().as_bytes()).map_err(|error| error.to_string()))
}

/// `server-core openapi`
pub(crate) fn openapi() -> ExitCode {
    let checked = Document::of::<Api>(&INFO).and_then(Document::checked);
    let printed = checked.map_err(|fault| fault.to_string()).and_then(|document| {
        std::io::stdout().write_all(document.text().as_bytes()).map_err(|error| error.to_string())
    });
    ended(printed)
}

/// `server-core migrate`
pub(crate) async fn migrate() -> ExitCode {
    match config::owner_url() {
        Ok(url) => ended(run_migrations(url.expose_secret()).await.map_err(|error| error.to_string())),
        Err(faults) => refused(&faults),
    }
}

async fn run_migrations(url: &str) -> Result<(), sqlx::Error> {
    let mut connection = url.parse::<PgConnectOptions>()?.application_name("server-core migrate").connect().await?;
    MIGRATIONS.run(&mut connection).await?;
    connection.close().await
}

/// `server-core rotate-keys`
pub(crate) async fn rotate_keys(dry_run: bool) -> ExitCode {
    let config = match RotationConfig::load() {
        Ok(config) => config,
        Err(faults) => return refused(&faults),
    };
    match rotation::run(&config, dry_run).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(rotation::KEPT),
        Err(error) => ended(Err(error.to_string())),
    }
}

/// `server-core refresh-values`
pub(crate) async fn refresh_values(dry_run: bool) -> ExitCode {
    let config = match RefreshConfig::load() {
        Ok(config) => config,
        Err(faults) => return refused(&faults),
    };
    match name_keys::run(config, dry_run).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(name_keys::LEFT),
        Err(error) => ended(Err(error.to_string())),
    }
}

/// `server-core bootstrap`
pub(crate) async fn bootstrap(plan: &bootstrap::Plan) -> ExitCode {
    let url = match config::owner_url() {
        Ok(url) => url,
        Err(faults) => return refused(&faults),
    };
    let made = bootstrap::run(&url, plan).await;
    let is_refused = matches!(made, Err(bootstrap::BootstrapError::SuperadminExists));
    let code = ended(made.map_err(|error| error.to_string()));
    if is_refused { ExitCode::from(bootstrap::REFUSED) } else { code }
}

/// Prints all faults of the configuration and returns the exit code for them.
#[allow(clippy::print_stderr, reason = "the log is not set up without a configuration")]
fn refused(faults: &ConfigFaults) -> ExitCode {
    eprintln!("{faults}");
    ExitCode::from(2)
}

#[allow(clippy::print_stderr, reason = "a command reports its error on standard error")]
fn ended(outcome: Result<(), String>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("server-core: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_specification_says_of_each_text_what_it_may_hold() {
        let document = Document::of::<Api>(&INFO).unwrap();
        assert_eq!(
            document.unstated_texts(),
            [""; 0],
            "give them a type of `server_shared::value`, or a pattern of ASCII"
        );
    }
}
