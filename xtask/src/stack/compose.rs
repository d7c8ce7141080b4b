//! The stores in containers, where a container engine answers: `docker-compose.yml`, without the two services.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::overrides::BUCKET;
use super::{fetch, paths, wait};

/// The host ports that the stores are published on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Published {
    pub(crate) postgres: u16,
    pub(crate) valkey: u16,
    pub(crate) clickhouse: u16,
    pub(crate) s3: u16,
}

/// ClickHouse's password in the containers.
pub(crate) const CLICKHOUSE_PASSWORD: &str = "restartix";
/// S3's access key in the containers.
pub(crate) const S3_ACCESS_KEY: &str = "restartix";
/// S3's secret key in the containers.
pub(crate) const S3_SECRET_KEY: &str = "restartix-development";

/// Returns `true` if a container engine with the compose plugin answers. A client without a running engine may hang, so
/// the limit is ten seconds.
pub(crate) fn available() -> bool {
    !fetch::on_path("docker").is_empty() && succeeds(&["info"]) && succeeds(&["compose", "version"])
}

fn succeeds(arguments: &[&str]) -> bool {
    let command =
        Command::new("docker").args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let Ok(mut child) = command else { return false };
    let status = wait::until(Duration::from_secs(10), || "no answer".into(), || Ok(child.try_wait()?));
    if status.is_err() {
        let _ = child.kill();
        let _ = child.wait();
    }
    status.is_ok_and(|status| status.success())
}

/// Starts the stores' containers and waits until each is healthy.
pub(crate) fn up(published: Published) -> Result<()> {
    eprintln!("    starting the stores in containers (images are fetched on first use)");
    run(published, &["up", "--detach", "--wait", "--wait-timeout", "300", "postgres", "valkey", "clickhouse", "s3"])
}

/// Stops and removes the containers; the data stays in their volumes.
pub(crate) fn down(published: Published) -> Result<()> {
    run(published, &["down", "--timeout", "20"])
}

fn run(published: Published, arguments: &[&str]) -> Result<()> {
    let status = Command::new("docker")
        .args(["compose", "--project-name", &format!("restartix-{}", paths::checkout_id()), "--file"])
        .arg(paths::checkout().join("docker-compose.yml"))
        .args(arguments)
        .env("POSTGRES_PORT", published.postgres.to_string())
        .env("VALKEY_PORT", published.valkey.to_string())
        .env("CLICKHOUSE_PORT", published.clickhouse.to_string())
        .env("S3_PORT", published.s3.to_string())
        // Said here, because a `.env` beside the file may say something else.
        .env("CLICKHOUSE_PASSWORD", CLICKHOUSE_PASSWORD)
        .env("AWS_ACCESS_KEY_ID", S3_ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", S3_SECRET_KEY)
        .env("AWS_BUCKET_NAME", BUCKET)
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status()
        .context("cannot run docker")?;
    if !status.success() {
        bail!("`docker compose {}` failed ({status}): see above, or pass --embedded", arguments.join(" "));
    }
    Ok(())
}
