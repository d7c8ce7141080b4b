//! `server-core refresh-values`: normalizes stored values again, and computes the keys for search, uniqueness and
//! order. The server does the same in the background.
//!
//! Each table is processed in batches, one statement each. The rows record which of them are out of date, so the next
//! run continues an interrupted one. A run changes a row only if it is still as it was read, and skips locked rows
//! until the next pass, so two concurrent runs do the work once (decision 42).

mod repository;
mod tables;

use std::{
    fmt,
    io::{self, Write as _},
    sync::Arc,
    time::{Duration, Instant},
};

use secrecy::ExposeSecret as _;
use server_shared::value::NameKeys;
use sqlx::{
    ConnectOptions as _,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{
    config::RefreshConfig,
    database::{Across, DatabaseError},
    domain::patient,
    encryption::{self, ADDRESS_TABLES, Encryption, IndexesRefreshed},
};
use repository::NewName;
use tables::{KeyedTable, TABLES};

/// Exit code if rows are still out of date.
pub(crate) const LEFT: u8 = 3;

/// Exit codes, as the help shows them.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  every value has its present form
  1  it failed; run it again
  2  the configuration is wrong
  3  something is left: the output names it";

/// Number of rows that one statement writes.
const BATCH: i64 = 500;
/// Longest wait for rows that other transactions keep locked.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause before such rows are tried again.
const TRY_EVERY: Duration = Duration::from_millis(250);
/// Interval of progress messages.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// Reason why a run ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RefreshError {
    /// The address of the database is wrong.
    #[error("the database can't be reached: {0}")]
    Connection(#[from] sqlx::Error),
    /// PostgreSQL refused or did not answer; committed batches stay.
    #[error("the database failed: {0}")]
    Database(#[from] DatabaseError),
    /// Row-level security would hide rows.
    #[error("DATABASE_URL is not the role that owns {0}")]
    NotOwner(&'static str),
    /// The output can't be written.
    #[error("the output can't be written: {0}")]
    Output(#[from] io::Error),
}

/// Value that a refresh could not normalize.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remark {
    /// The name can't be normalized and stays as it is; its keys are computed.
    Name,
    /// The name has become equal to another one in a unique index, so its row stays without the key for uniqueness.
    EqualName,
    /// The e-mail address has become equal to that of another patient or pending invitation, and keeps its old index.
    EqualEmail,
    /// The sealed values can't be decrypted; their blind indexes stay.
    Damaged,
}

/// Outcome of a refresh.
#[derive(Debug, Default)]
struct Report {
    rows: u64,
    /// Number of rows that were skipped, because another transaction had locked or changed them.
    missed: u64,
    /// Table, key of the row, and remark.
    remarks: Vec<(&'static str, i64, Remark)>,
}

/// Refreshes every value that is out of date and returns the number of changed rows; for housekeeping.
pub(crate) async fn values_refresh(across: Across, encryption: Arc<Encryption>) -> Result<u64, DatabaseError> {
    let report = refresh(&across, &encryption, &mut |_, _| {}).await?;
    for (table, id, remark) in &report.remarks {
        tracing::warn!(table, id, %remark, "a value keeps its former form");
    }
    Ok(report.rows)
}

/// Refreshes the values, or only counts them; returns `true` if no value is out of date.
pub(crate) async fn run(config: RefreshConfig, dry_run: bool) -> Result<bool, RefreshError> {
    let options: PgConnectOptions = config.url.expose_secret().parse()?;
    let options = options
        .application_name("server-core refresh-values")
        // Delays no other session for long, e.g. a migration that waits for a lock on a table.
        .options([("lock_timeout", "5s"), ("statement_timeout", "60s")])
        .disable_statement_logging();
    let across = Across::new(PgPoolOptions::new().max_connections(1).connect_with(options).await?);
    let encryption = Encryption::new(config.encryption);
    for table in TABLES.iter().map(|table| table.table).chain(["patients", "organizations", "data_keys", "invitations"])
    {
        if !repository::is_owned(&across, table).await? {
            return Err(RefreshError::NotOwner(table));
        }
    }
    if !dry_run {
        refresh_all(&across, &encryption).await?;
    }
    let mut left = 0;
    let mut out = io::stdout();
    for table in TABLES {
        let rows = repository::left(&across, table).await?;
        writeln!(out, "{}: names of {rows} rows to be refreshed", table.table)?;
        left += rows;
    }
    let patients = patient::indexes_left(&across).await?;
    writeln!(out, "patients: indexes of {patients} rows to be refreshed")?;
    left += patients;
    for table in ADDRESS_TABLES {
        let rows = encryption::addresses_left(&across, table).await?;
        writeln!(out, "{}: indexes of {rows} rows to be refreshed", table.table)?;
        left += rows;
    }
    Ok(left == 0)
}

/// Refreshes until only values that can't be normalized are out of date, and reports these.
async fn refresh_all(across: &Across, encryption: &Encryption) -> Result<(), RefreshError> {
    let mut walked: Option<Instant> = None;
    let mut told = Instant::now();
    let mut progress = |what: &'static str, rows: u64| {
        if told.elapsed() > TELL_EVERY {
            told = Instant::now();
            // Errors of the progress output don't end the run.
            let _ = tell(format_args!("{what}: {rows} rows refreshed"));
        }
    };
    let mut rows = 0;
    loop {
        let report = refresh(across, encryption, &mut progress).await?;
        rows += report.rows;
        for (table, id, remark) in &report.remarks {
            tell(format_args!("{table} {id}: {remark}"))?;
        }
        if report.missed == 0 {
            break;
        }
        // Counts from the first walk, and not from the last row written: indexes of a country that was just changed are
        // written in each walk, so they would keep it going for as long as another row is locked.
        if walked.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
            tell("some rows stayed locked by others; run it again")?;
            break;
        }
        tokio::time::sleep(TRY_EVERY).await;
    }
    Ok(tell(format_args!("{rows} rows refreshed"))?)
}

/// Processes every table once.
async fn refresh(
    across: &Across,
    encryption: &Encryption,
    progress: &mut (dyn FnMut(&'static str, u64) + Send),
) -> Result<Report, DatabaseError> {
    let mut report = Report::default();
    for table in TABLES {
        names_refresh(across, table, &mut report, progress).await?;
    }
    let indexes =
        patient::indexes_refresh(across, encryption, &mut |rows| progress("indexes of patients", rows)).await?;
    report.add("patients", indexes);
    for table in ADDRESS_TABLES {
        let mut progress = |rows| progress(table.table, rows);
        report.add(table.table, encryption::addresses_refresh(across, table, encryption, &mut progress).await?);
    }
    Ok(report)
}

impl Report {
    fn add(&mut self, table: &'static str, IndexesRefreshed { rows, missed, equal, damaged }: IndexesRefreshed) {
        self.rows += rows;
        self.missed += missed;
        self.remarks.extend(equal.into_iter().map(|id| (table, id, Remark::EqualEmail)));
        self.remarks.extend(damaged.into_iter().map(|id| (table, id, Remark::Damaged)));
    }
}

/// Processes a table once.
async fn names_refresh(
    across: &Across,
    table: &'static KeyedTable,
    report: &mut Report,
    progress: &mut (dyn FnMut(&'static str, u64) + Send),
) -> Result<(), DatabaseError> {
    if !repository::is_left(across, table).await? {
        return Ok(());
    }
    let (mut after, mut rows) = (0, 0);
    loop {
        let stored = repository::page(across, table, after, BATCH).await?;
        let Some(last) = stored.last() else { return Ok(()) };
        after = last.id;
        let mut names = Vec::with_capacity(stored.len());
        for name in stored {
            let formed: Option<Vec<String>> = name.parts.iter().map(|part| (table.form)(part)).collect();
            if formed.is_none() {
                report.remarks.push((table.table, name.id, Remark::Name));
            }
            let parts = formed.unwrap_or_else(|| name.parts.clone());
            let keys = NameKeys::of(&parts.iter().map(String::as_str).collect::<Vec<_>>());
            names.push(NewName { id: name.id, before: name.parts, parts, keys, is_equal: false });
        }
        let all = names.len() as u64;
        let written = names_write(across, table, &mut names, report).await?;
        rows += written;
        report.rows += written;
        report.missed += all - written;
        progress(table.table, rows);
    }
}

/// Writes a batch and returns the number of changed rows. If names in a unique index have become equal, writes row by
/// row.
async fn names_write(
    across: &Across,
    table: &'static KeyedTable,
    names: &mut [NewName],
    report: &mut Report,
) -> Result<u64, DatabaseError> {
    if let Some(written) = repository::replace(across, table, names).await? {
        return Ok(written);
    }
    let mut written = 0;
    for name in names {
        if let Some(alone) = repository::replace(across, table, std::slice::from_ref(name)).await? {
            written += alone;
            continue;
        }
        name.is_equal = true;
        // The normalized name may also equal another name exactly.
        name.parts.clone_from(&name.before);
        if let Some(alone) = repository::replace(across, table, std::slice::from_ref(name)).await? {
            written += alone;
            report.remarks.push((table.table, name.id, Remark::EqualName));
        }
    }
    Ok(written)
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "the name has no acceptable form; it stays as it is",
            Self::EqualName => {
                "the name equals another one now; it stays, and goes without the key that uniqueness compares"
            }
            Self::EqualEmail => "the e-mail address equals another row's; it keeps its old index",
            Self::Damaged => "the values do not open; their indexes stay",
        })
    }
}

/// Writes progress to standard error; the result goes to standard output.
fn tell(what: impl fmt::Display) -> io::Result<()> {
    writeln!(io::stderr(), "{what}")
}
