//! Generates the generated half of the Rust SDK from a public specification.
//!
//! `cargo xtask codegen` runs this program once for each service. It is a separate binary because progenitor
//! is heavy, so that `cargo xtask` itself stays quick to build.

mod rust_client;
mod sdk_spec;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;

/// Generate a Rust client from a service's public specification.
#[derive(Parser)]
struct Arguments {
    /// The public specification (OpenAPI 3.0.3, JSON).
    spec: PathBuf,
    /// The Rust file to write.
    out: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let text =
        fs::read_to_string(&arguments.spec).with_context(|| format!("cannot read {}", arguments.spec.display()))?;
    let public = serde_json::from_str(&text).with_context(|| format!("{} is not JSON", arguments.spec.display()))?;
    let source = rust_client::generate(sdk_spec::derive(public)?)?;
    fs::write(&arguments.out, source).with_context(|| format!("cannot write {}", arguments.out.display()))
}
