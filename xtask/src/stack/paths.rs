//! Paths of the stack's files.
//!
//! | what | where |
//! |---|---|
//! | programs (per user, shared by checkouts) | `$XDG_CACHE_HOME/restartix/<sha256>`; as root `/var/cache/restartix/<sha256>` |
//! | state of a stack: `stack.json`, logs, environments, keys | `target/dev` or `target/test` |
//! | data of its stores | `<state>/data`; for root in a checkout that `nobody` cannot reach, `/var/tmp/restartix-<checkout>/…` |
//! | sockets | a short directory under the system's temporary folder (a socket path holds 107 bytes) |

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::unistd::Uid;
use sha2::{Digest, Sha256};

use super::account;

/// The root of the checkout this program belongs to.
///
/// `cargo xtask` passes it at run time. The path at compile time may be wrong: cargo considers a target directory that
/// was copied from another checkout up to date.
pub(crate) fn checkout() -> PathBuf {
    let said =
        std::env::var_os("CARGO_MANIFEST_DIR").filter(|_| std::env::var("CARGO_PKG_NAME").is_ok_and(|n| n == "xtask"));
    let crate_dir = said.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    crate_dir.parent().map_or_else(|| crate_dir.clone(), Path::to_path_buf)
}

/// The file `name` among the programs cargo built beside this one.
pub(crate) fn binary(name: &str) -> Result<PathBuf> {
    Ok(binaries()?.join(name))
}

/// The directory of the programs cargo built beside this one.
pub(crate) fn binaries() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find the path of this program")?;
    own.parent().map(Path::to_path_buf).context("this program has no directory")
}

/// The per-user cache of downloaded programs, created on first use.
pub(crate) fn cache() -> Result<PathBuf> {
    let dir = if Uid::effective().is_root() {
        // `nobody` has to reach what is in it, so root's own home will not do.
        PathBuf::from("/var/cache/restartix")
    } else if let Some(dir) = std::env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()) {
        PathBuf::from(dir).join("restartix")
    } else if let Some(home) = std::env::var_os("HOME").filter(|home| !home.is_empty()) {
        PathBuf::from(home).join(".cache/restartix")
    } else {
        bail!("neither XDG_CACHE_HOME nor HOME is set: set one, the stores' programs are cached there");
    };
    fs::create_dir_all(&dir).with_context(|| format!("cannot create the cache directory {}", dir.display()))?;
    if Uid::effective().is_root() {
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755))?;
    }
    Ok(dir)
}

/// A short name that is the same for every run in this checkout and another in each other checkout.
pub(crate) fn checkout_id() -> String {
    let digest = Sha256::digest(checkout().as_os_str().as_encoded_bytes());
    hex::encode(&digest[..4])
}

/// The directory that holds the data of the stack whose state is in `state`, created on first use.
pub(crate) fn data(state: &Path) -> Result<PathBuf> {
    fs::create_dir_all(state).with_context(|| format!("cannot create {}", state.display()))?;
    let inside = state.join("data");
    if account::unprivileged().is_none() || account::reachable_by_others(state) {
        fs::create_dir_all(&inside)?;
        return Ok(inside);
    }
    let root = PathBuf::from(format!("/var/tmp/restartix-{}", checkout_id()));
    match fs::create_dir(&root) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(error).with_context(|| format!("cannot create {}", root.display()));
        }
        _ => {}
    }
    // The name can be guessed: another user who created it first must not get our data.
    let meta = fs::symlink_metadata(&root)?;
    if !meta.is_dir() || meta.uid() != Uid::effective().as_raw() {
        bail!("{} is not a directory of ours: remove it and start again", root.display());
    }
    fs::set_permissions(&root, fs::Permissions::from_mode(0o711))?;
    let name = state.file_name().context("the state directory has no name")?;
    let dir = root.join(name);
    fs::create_dir_all(&dir)?;
    Ok(dir)
}

/// Prefix of the names of socket directories.
pub(crate) const SOCKETS_PREFIX: &str = "rx-";

/// A fresh short directory for sockets. It goes away with the returned handle.
pub(crate) fn sockets() -> Result<tempfile::TempDir> {
    let dir = tempfile::Builder::new()
        .prefix(SOCKETS_PREFIX)
        .rand_bytes(8)
        .tempdir()
        .context("cannot create a directory for sockets in the temporary folder")?;
    // Its children are private; `nobody` must be able to pass through.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711))?;
    Ok(dir)
}

/// Writes a file that only its owner may read, in one step: a reader sees the old or the new content.
pub(crate) fn write_private(path: &Path, content: &str) -> Result<()> {
    use std::io::Write as _;
    let dir = path.parent().context("the file has no directory")?;
    let mut file =
        tempfile::NamedTempFile::new_in(dir).with_context(|| format!("cannot write in {}", dir.display()))?;
    file.write_all(content.as_bytes())?;
    file.persist(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_file_is_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        write_private(&path, "one").unwrap();
        write_private(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_socket_in_the_socket_directory_fits_the_limit() {
        let dir = sockets().unwrap();
        let socket = dir.path().join("pg/.s.PGSQL.65535");
        assert!(socket.as_os_str().len() < 104, "macOS allows 104 bytes: {}", socket.display());
    }
}
