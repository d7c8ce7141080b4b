//! `cargo xtask lint`: checks both specifications with redocly (validity, consistency) and spectral (completeness of
//! the documentation). The rules are in `redocly.yaml` and `.spectral.yaml`.

use anyhow::{Result, bail};

use crate::stack::paths;
use crate::tools;

const SPECIFICATIONS: [&str; 2] = ["openapi/telemetry.json", "openapi/core.json"];

/// Lints both specifications with both tools and reports all of their findings.
///
/// # Errors
/// Fails if either tool finds a fault.
pub(crate) fn run() -> Result<()> {
    let mut failed = Vec::new();
    let mut redocly = tools::node("redocly")?;
    redocly.arg("lint").args(SPECIFICATIONS).args(["--config", "redocly.yaml", "--format", "stylish"]);
    let mut spectral = tools::node("spectral")?;
    spectral.arg("lint").args(SPECIFICATIONS).args([
        "--ruleset",
        ".spectral.yaml",
        "--fail-severity",
        "warn",
        "--quiet",
    ]);
    for (name, mut command) in [("redocly", redocly), ("spectral", spectral)] {
        eprintln!("    {name}");
        if let Err(error) = tools::run(command.current_dir(paths::checkout()), name) {
            failed.push(error.to_string());
        }
    }
    if !failed.is_empty() {
        bail!("{}: change the handlers the specifications come from, then `cargo xtask codegen`", failed.join(", "));
    }
    Ok(())
}
