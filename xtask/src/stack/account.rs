//! The account that the stores run under.
//!
//! PostgreSQL refuses to run as root, and the ClickHouse engine has no business as root either. Started by root, the
//! stores therefore run as `nobody`, which must be able to reach both their programs and their data.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use nix::unistd::{Uid, User};

/// Id of `nobody` if the passwd file does not name it.
const NOBODY: u32 = 65534;

/// A user and group that a child process runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// The account to drop to: `nobody` when this process is root, none when it is not.
pub(crate) fn unprivileged() -> Option<Account> {
    if !Uid::effective().is_root() {
        return None;
    }
    let nobody = User::from_name("nobody").ok().flatten();
    Some(nobody.map_or(Account { uid: NOBODY, gid: NOBODY }, |user| Account {
        uid: user.uid.as_raw(),
        gid: user.gid.as_raw(),
    }))
}

/// Makes the command run as `account`. Supplementary groups are dropped with it.
pub(crate) fn apply(command: &mut Command, account: Option<Account>) {
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
}

/// Creates a directory, with its parents, that belongs to `account` (or to us) and nobody else may read.
pub(crate) fn private_dir(dir: &Path, account: Option<Account>) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))?;
    if let Some(account) = account {
        chown(dir, Some(account.uid), Some(account.gid)).with_context(|| format!("cannot chown {}", dir.display()))?;
    }
    Ok(())
}

/// Returns `true` if other users may traverse every directory above `path`, so that `nobody` can reach it.
pub(crate) fn reachable_by_others(path: &Path) -> bool {
    let Ok(path) = path.canonicalize() else { return false };
    path.ancestors().skip(1).all(|dir| fs::metadata(dir).is_ok_and(|meta| meta.mode() & 0o001 != 0))
}

/// Returns `true` if other users may run the program at `path`.
pub(crate) fn runnable_by_others(path: &Path) -> bool {
    reachable_by_others(path) && fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.mode() & 0o001 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_parent_makes_a_path_unreachable() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("inner");
        fs::create_dir(&inner).unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(!reachable_by_others(&inner));
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711)).unwrap();
        assert_eq!(reachable_by_others(&inner), reachable_by_others(dir.path()));
    }

    #[test]
    fn a_missing_path_is_unreachable() {
        assert!(!reachable_by_others(Path::new("/nonexistent/restartix")));
    }
}
