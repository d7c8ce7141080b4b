//! Writing in one step, and comparing.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};

/// Writes `content` beside `path` and renames it into place.
pub(super) fn replace_file(path: &Path, content: &[u8]) -> Result<()> {
    let dir = path.parent().context("a file needs a directory")?;
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    // An unchanged file keeps its time stamp: cargo would rebuild all that depends on it.
    if fs::read(path).is_ok_and(|present| present == content) {
        return Ok(());
    }
    let mut file =
        tempfile::NamedTempFile::new_in(dir).with_context(|| format!("cannot write in {}", dir.display()))?;
    file.write_all(content)?;
    // Temporary files are private; a source file is not.
    file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    file.persist(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

/// Lets `fill` write a directory beside `path` and swaps it into place if that succeeds.
pub(super) fn replace_directory(path: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let parent = path.parent().context("a directory needs a parent")?;
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    let scratch = tempfile::Builder::new().prefix(".codegen-").tempdir_in(parent)?;
    let fresh = scratch.path().join("fresh");
    fs::create_dir(&fresh)?;
    fill(&fresh)?;
    if path.exists() {
        fs::rename(path, scratch.path().join("old"))?;
    }
    fs::rename(&fresh, path).with_context(|| format!("cannot write {}", path.display()))
}

/// The files under `paths` that are not the same in both roots, with how they differ.
pub(super) fn differences(committed: &Path, fresh: &Path, paths: &[&str]) -> Result<Vec<String>> {
    let mut different = Vec::new();
    for path in paths {
        let old = contents(committed, path)?;
        let new = contents(fresh, path)?;
        for (name, content) in &new {
            match old.get(name) {
                None => different.push(format!("{name} (missing)")),
                Some(present) if present != content => different.push(format!("{name} (differs)")),
                Some(_) => {}
            }
        }
        different.extend(old.keys().filter(|name| !new.contains_key(*name)).map(|name| format!("{name} (left over)")));
    }
    Ok(different)
}

/// The file at `path`, or all files below it, by their path from `root`.
fn contents(root: &Path, path: &str) -> Result<BTreeMap<String, Vec<u8>>> {
    let full = root.join(path);
    let mut found = BTreeMap::new();
    if full.is_dir() {
        for entry in fs::read_dir(&full)? {
            let name = entry?.file_name();
            found.extend(contents(root, &format!("{path}/{}", name.to_string_lossy()))?);
        }
    } else if full.exists() {
        found.insert(path.to_owned(), fs::read(&full)?);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_name_missing_changed_and_left_over_files() {
        let committed = tempfile::tempdir().unwrap();
        let fresh = tempfile::tempdir().unwrap();
        for (root, name, content) in [
            (&committed, "same.json", "1"),
            (&fresh, "same.json", "1"),
            (&committed, "client/changed.ts", "1"),
            (&fresh, "client/changed.ts", "2"),
            (&committed, "client/old.ts", "1"),
            (&fresh, "client/new.ts", "1"),
        ] {
            replace_file(&root.path().join(name), content.as_bytes()).unwrap();
        }
        let different = differences(committed.path(), fresh.path(), &["same.json", "client"]).unwrap();
        assert_eq!(different, ["client/changed.ts (differs)", "client/new.ts (missing)", "client/old.ts (left over)"]);
    }

    #[test]
    fn a_directory_is_left_as_it_is_when_filling_fails() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("client");
        replace_file(&place.join("kept.ts"), b"1").unwrap();
        let filled = replace_directory(&place, |out| {
            fs::write(out.join("half.ts"), "2")?;
            anyhow::bail!("the generator crashed")
        });
        assert!(filled.is_err());
        assert_eq!(contents(root.path(), "client").unwrap().into_keys().collect::<Vec<_>>(), ["client/kept.ts"]);
    }
}
