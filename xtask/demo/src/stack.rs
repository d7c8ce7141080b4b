//! Part of `stack.json` that the demo needs; `xtask/src/stack/stack_file.rs` explains all of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A stack that is being set up: there are no people yet, but the keys to make their tokens with.
#[derive(Debug, Deserialize)]
pub(crate) struct BareStack {
    pub(crate) core: String,
    pub(crate) database_url: String,
    pub(crate) issuer_url: String,
    pub(crate) issuer_key_pem_path: PathBuf,
    pub(crate) issuer_kid: String,
    pub(crate) authorized_party: String,
}

/// A stack that is ready.
#[derive(Debug, Deserialize)]
pub(crate) struct ReadyStack {
    pub(crate) core: String,
    pub(crate) telemetry: String,
    pub(crate) organizations: Vec<Clinic>,
}

/// An organization of a ready stack.
#[derive(Debug, Deserialize)]
pub(crate) struct Clinic {
    pub(crate) id: i64,
    pub(crate) slug: String,
    tokens: BTreeMap<String, String>,
}

impl Clinic {
    /// The session token of the clinic's person of this role.
    pub(crate) fn token(&self, role: &str) -> Result<&str> {
        self.tokens
            .get(role)
            .map(String::as_str)
            .with_context(|| format!("the stack has no token of {}'s {role}", self.slug))
    }
}

/// Reads a stack's description.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read {}: `cargo xtask dev` starts a stack", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} does not describe a stack", path.display()))
}
