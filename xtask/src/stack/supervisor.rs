//! Finds the supervisor that runs the stack of a checkout.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::paths;
use super::process::Identity;

/// The process that owns a stack.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Supervisor {
    pub(crate) identity: Identity,
    /// The socket it takes requests on.
    pub(crate) control: PathBuf,
}

impl Supervisor {
    /// Returns the path of the file in which a stack's supervisor identifies itself.
    pub(crate) fn path(state: &Path) -> PathBuf {
        state.join("supervisor.json")
    }

    /// The running supervisor of the stack in `state`, if there is one.
    pub(crate) fn find(state: &Path) -> Option<Self> {
        let text = fs::read_to_string(Self::path(state)).ok()?;
        serde_json::from_str(&text).ok().filter(|supervisor: &Self| supervisor.identity.alive())
    }

    /// Removes the file of an earlier supervisor in `state`, with the sockets that a killed one leaves behind.
    pub(crate) fn forget(state: &Path) -> Result<()> {
        let path = Self::path(state);
        let Ok(text) = fs::read_to_string(&path) else { return Ok(()) };
        if let Ok(former) = serde_json::from_str::<Self>(&text)
            && let Some(sockets) = former.control.parent()
            && sockets.file_name().is_some_and(|name| name.to_string_lossy().starts_with(paths::SOCKETS_PREFIX))
        {
            // Gone already, as a rule.
            let _ = fs::remove_dir_all(sockets);
        }
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
    }

    /// Registers this process as the supervisor.
    pub(crate) fn announce(state: &Path, control: &Path) -> Result<()> {
        let supervisor = Self { identity: Identity::own("supervisor"), control: control.to_path_buf() };
        paths::write_private(&Self::path(state), &serde_json::to_string_pretty(&supervisor)?)
    }
}
