//! `cargo xtask spec-diff [--against DIR_OR_GITREF]`: reports changes of the contracts and the clients that they break.
//!
//! redocly judges the changes; this command adds the operations and the field of each, the effects on the users of each
//! SDK, and the rule that a breaking change needs a new major version.

mod change;
mod impact;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::stack::paths;
use crate::tools;
use change::Change;

const SERVICES: [&str; 2] = ["telemetry", "core"];

/// The result of comparing two versions of one specification.
#[derive(Debug)]
struct Comparison {
    service: String,
    old_version: String,
    new_version: String,
    breaking: Vec<Change>,
    compatible: Vec<Change>,
}

impl Comparison {
    fn is_major_bump(&self) -> bool {
        let major = |version: &str| version.split('.').next().and_then(|number| number.parse::<u64>().ok());
        major(&self.new_version) > major(&self.old_version)
    }

    fn is_allowed(&self) -> bool {
        self.breaking.is_empty() || self.is_major_bump()
    }

    fn print(&self) {
        println!(
            "{}: {} → {}: {} breaking, {} compatible",
            self.service,
            self.old_version,
            self.new_version,
            self.breaking.len(),
            self.compatible.len()
        );
        for change in &self.breaking {
            println!("{}", change.report());
        }
        for change in &self.compatible {
            println!("{}", change.report());
        }
    }
}

/// Compares both specifications in `openapi/` with those in `against`: a directory, or a git ref. The default is
/// `openapi/released`.
///
/// # Errors
/// Fails if there is a breaking change without a new major version.
pub(crate) fn run(against: Option<&str>) -> Result<()> {
    let checkout = paths::checkout();
    let base = Base::find(&checkout, against)?;
    let mut refused = Vec::new();
    for service in SERVICES {
        let comparison = compare(service, &base.file(service)?, &checkout.join(format!("openapi/{service}.json")))?;
        comparison.print();
        if !comparison.is_allowed() {
            refused.push(format!(
                "{service}: {} breaking changes in {}, but the version is still {}",
                comparison.breaking.len(),
                base.name,
                comparison.new_version
            ));
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    bail!(
        "{}\nKeep the old contract (add beside it instead of changing it), or raise the major version of the \
         specification.",
        refused.join("\n")
    )
}

/// Base that the current specifications are compared with.
struct Base {
    name: String,
    dir: PathBuf,
    /// Holds the files of a git ref while they are compared.
    _scratch: Option<tempfile::TempDir>,
}

impl Base {
    fn find(checkout: &Path, against: Option<&str>) -> Result<Self> {
        let against = against.unwrap_or("openapi/released");
        let dir = checkout.join(against);
        if dir.is_dir() {
            return Ok(Self { name: against.to_owned(), dir, _scratch: None });
        }
        let scratch = tempfile::tempdir()?;
        for service in SERVICES {
            let file = format!("openapi/{service}.json");
            let document = tools::capture(
                Command::new("git").current_dir(checkout).args(["show", &format!("{against}:{file}")]),
                &format!("git show {against}:{file} ({against} is no directory, so it was taken for a git ref)"),
            )?;
            fs::write(scratch.path().join(format!("{service}.json")), document)?;
        }
        Ok(Self { name: against.to_owned(), dir: scratch.path().to_path_buf(), _scratch: Some(scratch) })
    }

    fn file(&self, service: &str) -> Result<PathBuf> {
        let file = self.dir.join(format!("{service}.json"));
        if !file.exists() {
            bail!(
                "{} has no {service}.json to compare with; release the present one:\n  \
                 cp openapi/{service}.json openapi/released/",
                self.name
            );
        }
        Ok(file)
    }
}

/// Compares two versions of one service's specification.
fn compare(service: &str, old: &Path, new: &Path) -> Result<Comparison> {
    // In a directory with a redocly.yaml, `diff` follows its rules and reports nothing as breaking that they don't
    // name, so it runs in a directory without one.
    let elsewhere = tempfile::tempdir()?;
    let output = tools::node("redocly")?
        .current_dir(elsewhere.path())
        .arg("diff")
        .args([old, new])
        .args(["--format", "json", "--fail-on", "none"])
        .stderr(Stdio::piped())
        .output()
        .context("cannot start redocly")?;
    let report: Value = match serde_json::from_slice(&output.stdout) {
        Ok(report) if output.status.success() => report,
        _ => bail!("redocly diff failed for {service}:\n{}", String::from_utf8_lossy(&output.stderr)),
    };
    let old_spec = document(old)?;
    let new_spec = document(new)?;

    let mut comparison = Comparison {
        service: service.to_owned(),
        old_version: version(&old_spec)?,
        new_version: version(&new_spec)?,
        breaking: Vec::new(),
        compatible: Vec::new(),
    };
    for entry in report["changes"].as_array().context("redocly's report has no list of changes")? {
        let change = Change::read(entry, &old_spec, &new_spec);
        if change.is_breaking { &mut comparison.breaking } else { &mut comparison.compatible }.push(change);
    }
    Ok(comparison)
}

fn document(path: &Path) -> Result<Value> {
    let text = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", path.display()))
}

fn version(spec: &Value) -> Result<String> {
    Ok(spec["info"]["version"].as_str().context("the specification has no info.version")?.to_owned())
}
