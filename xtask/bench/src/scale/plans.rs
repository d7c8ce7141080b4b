//! Plans of the statements of an operation, as `auto_explain` logs them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::clinic::Asker;
use super::operations::Operation;
use crate::server::Server;
use crate::setup::Setup;

/// Time limit for the requests that are explained.
const PATIENCE: Duration = Duration::from_secs(30);

/// Work of PostgreSQL for one request.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// Pages that its statements read, from the cache or not.
    pub(super) buffers: u64,
    /// Scans of its statements, in words, each with the rows that it returned.
    pub(super) scans: Vec<String>,
}

/// A clinic whose server's statements are explained.
#[derive(Debug)]
pub(super) struct Explained {
    server: Server,
    asker: Asker,
    log: PathBuf,
}

impl Explained {
    pub(super) fn new(setup: &Setup, server: Server, asker: Asker) -> Self {
        Self { server, asker, log: setup.postgres_log.clone() }
    }

    /// Sends `warm` requests and returns the work for one more.
    pub(super) async fn work(&mut self, operation: &Operation, warm: u32) -> Result<Work> {
        self.asker.ask(operation, warm, PATIENCE).await?;
        let start = File::open(&self.log)?.metadata()?.len();
        self.asker.ask(operation, 1, PATIENCE).await?;
        let mut file = File::open(&self.log).with_context(|| format!("cannot read {}", self.log.display()))?;
        file.seek(SeekFrom::Start(start))?;
        let mut logged = String::new();
        file.read_to_string(&mut logged)?;
        let work = work(&logged)?;
        if work.buffers == 0 {
            bail!("{} has no plan with buffers for {:?}", self.log.display(), operation.title);
        }
        Ok(work)
    }

    pub(super) async fn stop(self) -> Result<()> {
        self.server.stop().await
    }
}

/// Sums up the plans in a part of PostgreSQL's log. The lines of a plan begin with a tab.
fn work(logged: &str) -> Result<Work> {
    let mut work = Work::default();
    let mut scans = BTreeMap::new();
    let mut lines = logged.lines().peekable();
    while let Some(line) = lines.next() {
        if !line.ends_with("plan:") {
            continue;
        }
        let mut document = String::new();
        while let Some(line) = lines.next_if(|line| line.starts_with('\t')) {
            document.push_str(line.trim_start_matches('\t'));
            document.push('\n');
        }
        let document: Value = serde_json::from_str(&document).context("auto_explain has logged something else")?;
        let plan = &document["Plan"];
        work.buffers += number(plan, "Shared Hit Blocks") + number(plan, "Shared Read Blocks");
        scanned(plan, &mut scans);
    }
    work.scans = scans.into_iter().map(|(scan, rows)| format!("{scan}: {rows}")).collect();
    Ok(work)
}

fn number(plan: &Value, name: &str) -> u64 {
    // Rows are an average of the loops, with decimals.
    let rounded = |number: f64| format!("{number:.0}").parse().ok();
    plan[name].as_u64().or_else(|| plan[name].as_f64().and_then(rounded)).unwrap_or_default()
}

/// Adds the rows that each scan of the plan looked at, by the scan's name.
fn scanned(plan: &Value, scans: &mut BTreeMap<String, u64>) {
    let node = plan["Node Type"].as_str().unwrap_or_default();
    let loops = number(plan, "Actual Loops");
    let of = plan["Index Name"].as_str().or(plan["Relation Name"].as_str()).filter(|_| node.ends_with("Scan"));
    if let Some(of) = of.filter(|_| loops > 0) {
        let rows = number(plan, "Actual Rows") + number(plan, "Rows Removed by Filter");
        *scans.entry(format!("{node} of `{of}`")).or_default() += rows * loops;
    }
    plan["Plans"].as_array().into_iter().flatten().for_each(|child| scanned(child, scans));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_found_among_other_lines() {
        let logged = "2026-11-29 10:00:00 UTC [7] LOG:  duration: 0.1 ms  plan:\n\t{\n\t  \"Query Text\": \"select 1\",\n\t  \"Plan\": {\
                      \"Node Type\": \"Limit\", \"Shared Hit Blocks\": 5, \"Shared Read Blocks\": 1, \"Plans\": [{\"Node Type\": \
                      \"Index Scan\", \"Index Name\": \"a_idx\", \"Relation Name\": \"a\", \"Actual Rows\": 2.00, \
                      \"Actual Loops\": 3, \"Rows Removed by Filter\": 1}, {\"Node Type\": \"Seq Scan\", \
                      \"Relation Name\": \"b\", \"Actual Rows\": 0, \"Actual Loops\": 0}]}\n\t}\n\
                      2026-11-29 10:00:00 UTC [7] LOG:  checkpoint starting: time\n";
        let work = work(logged).unwrap();
        assert_eq!(work.buffers, 6);
        assert_eq!(work.scans, ["Index Scan of `a_idx`: 9"]);
    }
}
