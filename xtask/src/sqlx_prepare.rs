//! `cargo xtask sqlx-prepare`: refreshes the query data in `server-*/.sqlx`, by which the servers compile without a
//! database.
//!
//! It starts a PostgreSQL of its own, applies the migration files with psql (the servers' own `migrate` will not do:
//! they cannot be built before their queries have data) and lets sqlx's macros describe each query against it while
//! `cargo check` runs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result, bail};

use crate::stack::postgres::Postgres;
use crate::stack::{fetch, paths, pins, postgres, wait};
use crate::tools;

/// A crate whose queries are checked, and the migrations of its database.
struct Subject {
    package: &'static str,
    migrations: &'static str,
    /// The name of the database and of the role that owns it.
    database: &'static str,
}

const SUBJECTS: [Subject; 2] = [
    Subject { package: "server-core", migrations: "migrations/core", database: "restartix" },
    Subject { package: "server-telemetry", migrations: "migrations/telemetry-pg", database: "restartix_telemetry" },
];

/// File name to content.
type QueryData = BTreeMap<String, String>;

/// Refreshes the query data of the crates named in `packages` (of all when empty), or only compares it.
///
/// # Errors
/// Fails if a migration or a query is wrong, and with `check` if the committed data differs from the generated data.
pub(crate) fn run(packages: &[String], check: bool) -> Result<()> {
    if let Some(unknown) = packages.iter().find(|name| !SUBJECTS.iter().any(|subject| subject.package == **name)) {
        bail!("{unknown} has no checked queries: name server-core, server-telemetry or neither");
    }
    wait::watch_signals()?;
    let started = Instant::now();
    let state = paths::checkout().join("target/sqlx-prepare");
    let _alone = lock(&state)?;
    let [programs] = fetch::programs([&pins::POSTGRES])?;
    let data = paths::data(&state)?.join("postgres");
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    let sockets = paths::sockets()?;
    let mut server = Postgres::start(&postgres::Options {
        programs: &programs,
        data: &data,
        sockets: sockets.path(),
        log: &state.join("postgres.log"),
        port: 0,
        durable: false,
        max_connections: 50,
        settings: &[],
    })?;
    eprintln!("    PostgreSQL ready after {:.1} s", started.elapsed().as_secs_f32());

    let mut outdated = Vec::new();
    for subject in SUBJECTS.iter().filter(|s| packages.is_empty() || packages.iter().any(|name| name == s.package)) {
        migrations_apply(&server, subject)?;
        if !prepare(&server, subject, &state, check)? {
            outdated.push(subject.package);
        }
    }
    server.child.kill()?;
    fs::remove_dir_all(&data)?;
    if !outdated.is_empty() {
        bail!(
            "the query data of {} is out of date: run `cargo xtask sqlx-prepare` and commit it",
            outdated.join(" and ")
        );
    }
    eprintln!("    done in {:.1} s", started.elapsed().as_secs_f32());
    Ok(())
}

/// One run at a time in a checkout: both would touch the same files.
fn lock(state: &Path) -> Result<File> {
    fs::create_dir_all(state)?;
    let file = File::create(state.join("lock"))?;
    if file.try_lock().is_err() {
        eprintln!("    waiting for another sqlx-prepare");
        file.lock()?;
    }
    Ok(file)
}

/// Applies every `NNNN_name.sql` in order, each in a transaction, as the owner: the way the server does it.
fn migrations_apply(server: &Postgres, subject: &Subject) -> Result<()> {
    let dir = paths::checkout().join(subject.migrations);
    let mut files = Vec::new();
    for entry in fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(version) = migration_version(&name) {
            files.push((version, path));
        }
    }
    files.sort();
    for (_, path) in &files {
        let sql = fs::read_to_string(path)?;
        // sqlx runs a file that starts with this line outside a transaction.
        let sql = if sql.starts_with("-- no-transaction") { sql } else { format!("begin;\n{sql}\n;commit;\n") };
        server.script(subject.database, subject.database, &sql).with_context(|| {
            format!("cannot apply {}", path.strip_prefix(paths::checkout()).unwrap_or(path).display())
        })?;
    }
    eprintln!("    {}: {} migrations applied", subject.package, files.len());
    Ok(())
}

/// The number a migration file's name starts with; none for other files and for `.down.sql`.
fn migration_version(name: &str) -> Option<u64> {
    let (version, rest) = name.split_once('_')?;
    let stem = rest.strip_suffix(".sql").filter(|stem| stem.strip_suffix(".down").is_none());
    stem.and_then(|_| version.parse().ok())
}

/// Checks the crate against the database and takes over what sqlx's macros wrote. False when `check` finds a
/// difference.
fn prepare(server: &Postgres, subject: &Subject, state: &Path, check: bool) -> Result<bool> {
    let root = paths::checkout().join(subject.package);
    let committed_dir = root.join(".sqlx");
    let fresh_dir = state.join(subject.package);
    if fresh_dir.exists() {
        fs::remove_dir_all(&fresh_dir)?;
    }
    fs::create_dir_all(&fresh_dir)?;

    targets_touch(&root)?;
    let status = tools::cargo()
        // By the binary and not by the package, so that dependencies are built with the workspace's features, once.
        .args(["check", "--quiet", "--bin", subject.package])
        .env("DATABASE_URL", server.url(subject.database, subject.database))
        .env("SQLX_OFFLINE", "false")
        .env("SQLX_OFFLINE_DIR", &fresh_dir)
        .status()
        .context("cannot run cargo")?;
    wait::check_stop()?;
    let fresh = query_data(&fresh_dir)?;
    let committed = query_data(&committed_dir)?;
    if !status.success() {
        // The queries that sqlx described are right even if other code does not compile; removing files would not be.
        if !check {
            write(&committed_dir, &fresh)?;
        }
        bail!(
            "{} does not compile (see above); its query data was only added to, stale files are kept",
            subject.package
        );
    }
    // The crate is now checked against a database that is about to go: the next build must look at the files again.
    targets_touch(&root)?;
    let changes = changes(&committed, &fresh);
    for change in &changes {
        eprintln!("    {}: {change}", subject.package);
    }
    eprintln!("    {}: {} queries, {} changes", subject.package, fresh.len(), changes.len());
    if check {
        return Ok(changes.is_empty());
    }
    write(&committed_dir, &fresh)?;
    for name in committed.keys().filter(|name| !fresh.contains_key(*name)) {
        fs::remove_file(committed_dir.join(name))?;
    }
    Ok(true)
}

/// Makes cargo compile every target of the crate again: it does not know that its macros read a database.
fn targets_touch(root: &Path) -> Result<()> {
    let mut files: Vec<PathBuf> = vec![root.join("src/main.rs"), root.join("src/lib.rs")];
    for dir in ["tests", "benches", "examples"] {
        for entry in fs::read_dir(root.join(dir)).into_iter().flatten() {
            files.push(entry?.path());
        }
    }
    let now = SystemTime::now();
    for file in files.iter().filter(|file| file.is_file()) {
        File::options().append(true).open(file)?.set_modified(now)?;
    }
    Ok(())
}

fn query_data(dir: &Path) -> Result<QueryData> {
    let mut files = QueryData::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.strip_suffix(".json").is_some_and(|stem| stem.starts_with("query-")) {
            files.insert(name, fs::read_to_string(entry.path())?);
        }
    }
    Ok(files)
}

fn write(dir: &Path, data: &QueryData) -> Result<()> {
    fs::create_dir_all(dir)?;
    for (name, content) in data {
        let path = dir.join(name);
        // Unchanged files keep their time, so that nothing is compiled again for them.
        if fs::read_to_string(&path).is_ok_and(|old| old == *content) {
            continue;
        }
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// One line a file that differs, with the query's first words.
fn changes(committed: &QueryData, fresh: &QueryData) -> Vec<String> {
    let mut changes = Vec::new();
    for (name, content) in fresh {
        match committed.get(name) {
            None => changes.push(format!("new: {}", query_start(content))),
            Some(old) if old != content => changes.push(format!("changed: {}", query_start(content))),
            Some(_) => {}
        }
    }
    for (name, content) in committed {
        if !fresh.contains_key(name) {
            changes.push(format!("gone: {}", query_start(content)));
        }
    }
    changes
}

fn query_start(content: &str) -> String {
    let data: serde_json::Value = serde_json::from_str(content).unwrap_or_default();
    let query = data["query"].as_str().unwrap_or("unreadable query data");
    query.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(70).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_numbered_sql_files() {
        assert_eq!(migration_version("0002_patients.sql"), Some(2));
        assert_eq!(migration_version("20260101000000_later.up.sql"), Some(20_260_101_000_000));
        for other in ["0002_patients.down.sql", "README.md", "roles.sql", "x_y.sql", ".sql"] {
            assert_eq!(migration_version(other), None, "{other}");
        }
    }

    #[test]
    fn every_difference_is_named() {
        let data = |entries: &[(&str, &str)]| -> QueryData {
            entries.iter().map(|(name, query)| ((*name).into(), format!("{{\"query\":\"{query}\"}}"))).collect()
        };
        let committed = data(&[("a", "select 1"), ("b", "select 2"), ("c", "select 3")]);
        let fresh = data(&[("a", "select 1"), ("b", "select  22"), ("d", "select 4")]);
        assert_eq!(changes(&committed, &fresh), ["changed: select 22", "new: select 4", "gone: select 3"]);
        assert!(changes(&fresh, &fresh).is_empty());
    }
}
