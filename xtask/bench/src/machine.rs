//! Machine and software versions of the measurements.

use std::fs;

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::setup::Setup;
use crate::{naive, process, psql};

/// Returns the load of the machine. Measured before the benchmark begins, it shows what else runs there.
pub(crate) fn load() -> Result<String> {
    let text = fs::read_to_string("/proc/loadavg").context("cannot read /proc/loadavg")?;
    Ok(text.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
}

/// Describes machine and programs, as pairs of name and version.
pub(crate) async fn describe(setup: &Setup, load_before: String) -> Result<Vec<(&'static str, String)>> {
    let read = |path: &str| fs::read_to_string(path).with_context(|| format!("cannot read {path}"));
    let processors = read("/proc/cpuinfo")?;
    let model = processors.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("of unknown model", |model| model.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism()?;
    let memory = process::field_bytes(&read("/proc/meminfo")?, "MemTotal:").context("/proc/meminfo has no total")?;

    let settings = "select string_agg(name || ' ' || current_setting(name), ', ' order by name) from unnest(array[\
                    'fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers']) as name";
    let settings = psql::run(setup, &setup.database_url, &[], settings).await?;
    let postgres = psql::run(setup, &setup.database_url, &[], "show server_version").await?;
    let revision = printed("git", &["-C", &setup.checkout.to_string_lossy(), "rev-parse", "--short=12", "HEAD"]).await;
    let server = printed(&setup.server.to_string_lossy(), &["--version"]).await?;
    Ok(vec![
        ("processor", format!("{cores} cores, {model}")),
        ("memory", format!("{:.1} GB", f64::from(u32::try_from(memory >> 20)?) / 1024.0)),
        ("kernel", format!("Linux {}", read("/proc/sys/kernel/osrelease")?.trim())),
        ("load average before (1, 5, 15 minutes)", load_before),
        // A release is an archive without a history.
        (
            "Core",
            revision
                .map_or_else(|_| server.clone(), |revision| format!("{server}, revision {revision}, release build")),
        ),
        ("compiler", printed("rustc", &["--version"]).await?),
        ("PostgreSQL", format!("{}, {}", postgres.trim(), settings.trim())),
        ("pgbench", printed(&naive::program(setup)?.to_string_lossy(), &["--version"]).await?),
    ])
}

/// Returns the output of a program.
async fn printed(program: &str, arguments: &[&str]) -> Result<String> {
    let output =
        Command::new(program).args(arguments).output().await.with_context(|| format!("cannot run {program}"))?;
    anyhow::ensure!(output.status.success(), "{program} {} failed", arguments.join(" "));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
