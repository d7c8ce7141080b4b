//! Straightforward server, simulated by pgbench: one round trip for each statement.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::setup::{Setup, clerk_id};

/// A script with its variables.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) name: String,
    program: PathBuf,
    path: PathBuf,
    url: String,
    variables: Vec<(&'static str, String)>,
    /// First number that its clients use next: above every number that one of them has used.
    next: u64,
}

/// Results that pgbench reports.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) transactions: u64,
    pub(crate) per_second: f64,
}

/// Finds pgbench: beside the other programs of PostgreSQL, or in `PATH`.
pub(crate) fn program(setup: &Setup) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut directories = vec![setup.pg_bin.clone()];
    directories.extend(std::env::split_paths(&path));
    directories.into_iter().map(|directory| directory.join("pgbench")).find(|program| program.is_file()).context(
        "pgbench is neither with the embedded PostgreSQL nor in PATH: install it; Debian has it in the package \
         postgresql-15 (postgresql-contrib pulls it in)",
    )
}

impl Script {
    /// Runs as the front desk of `organization`; `variables` are the other variables of the script.
    pub(crate) fn new(
        setup: &Setup,
        name: &str,
        text: &str,
        organization: u32,
        variables: Vec<(&'static str, String)>,
    ) -> Result<Self> {
        let path = setup.state.join(format!("naive-{name}.sql"));
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        let mut all = vec![("clerk", clerk_id(organization)), ("organization", organization.to_string())];
        all.extend(variables);
        Ok(Self {
            name: name.to_owned(),
            program: program(setup)?,
            path,
            url: setup.database_app_url.clone(),
            variables: all,
            next: 0,
        })
    }

    /// Runs in another database than Core's.
    pub(crate) fn on(self, url: &str) -> Self {
        Self { url: url.to_owned(), ..self }
    }

    pub(crate) async fn run(&mut self, seconds: u32, connections: u32) -> Result<Outcome> {
        let mut command = Command::new(&self.program);
        command
            .args(["--no-vacuum", "--protocol=prepared", "--jobs=1"])
            .arg(format!("--client={connections}"))
            .arg(format!("--time={seconds}"))
            .arg(format!("--file={}", self.path.display()));
        for (name, value) in &self.variables {
            command.arg(format!("--define={name}={value}"));
        }
        command.arg(format!("--define=n={}", self.next));
        command.arg(&self.url).stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await.context("cannot run pgbench")?;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            bail!("pgbench ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        let outcome = outcome(&text)
            .with_context(|| format!("pgbench printed something else than the report of a good run:\n{text}"))?;
        // Each client may have begun one that is not counted.
        self.next += outcome.transactions + u64::from(connections);
        Ok(outcome)
    }
}

fn outcome(text: &str) -> Result<Outcome> {
    let field = |name: &str| {
        let rest = text.lines().find_map(|line| line.strip_prefix(name));
        rest.and_then(|rest| rest.split_whitespace().next()).with_context(|| format!("no line {name:?}"))
    };
    if field("number of failed transactions: ")? != "0" {
        bail!("transactions failed");
    }
    Ok(Outcome {
        transactions: field("number of transactions actually processed: ")?.parse()?,
        per_second: field("tps = ")?.parse()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read() {
        let text = "transaction type: x.sql\nnumber of transactions actually processed: 1234\n\
                    number of failed transactions: 0 (0.000%)\nlatency average = 3.1 ms\n\
                    tps = 5161.290323 (without initial connection time)\n";
        assert_eq!(outcome(text).unwrap(), Outcome { transactions: 1234, per_second: 5_161.290_323 });
        assert!(outcome(&text.replace("transactions: 0 (0.000%)", "transactions: 3 (0.2%)")).is_err());
        assert!(outcome("").is_err());
    }
}
