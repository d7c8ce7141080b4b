//! `server-core rotate-keys`: brings every wrapped data key under the current `ENCRYPTION_KEY`.
//!
//! Tables are walked a few blocks at a time, in short transactions, and rows that somebody has locked are
//! left for the next walk. What is done is known by the rows alone: each names the master key that it is under, so a
//! run that was killed is continued by the next one, and two at once get in nobody's way. Sealed values
//! are not touched.

mod census;
mod repository;

use std::{
    io::{self, Write as _},
    ops::Range,
    time::{Duration, Instant},
};

use secrecy::ExposeSecret as _;
use server_shared::crypto::{KeyId, MasterKeys};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection, postgres::PgConnectOptions};
use uuid::Uuid;

use crate::{
    audit::Audit,
    config::RotationConfig,
    encryption::{WRAPPED, WrappedColumn},
    identity::{Actor, Origin},
    ids::Entity,
};
use census::Census;
use repository::Wrapped;

/// Exit code when the old keys are still needed.
pub(crate) const KEPT: u8 = 3;

/// What an operator reads below the help.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  every value is under the current key: the old ones can be withdrawn
  1  it failed; run it again
  2  the configuration is wrong
  3  something is not under the current key: the old ones must stay";

/// Blocks of a table that are worked on at once: about a thousand rows, some milliseconds' work.
const BATCH: u32 = 16;
/// How long rows that others keep locked are waited for, after the last one that could be rewrapped.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often such rows are tried.
const TRY_EVERY: Duration = Duration::from_millis(250);
/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_secs(2);
/// Damaged values of one column that are told and left alone; with more of them, it is not the values.
const MOST_DAMAGED: usize = 100;

/// Why a run ended before its time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RotationError {
    /// PostgreSQL refused or did not answer; what was committed stays.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// Row-level security would hide what is to be found.
    #[error("DATABASE_URL is not the role that owns {0}")]
    NotOwner(&'static str),
    /// Rows moved although they were locked: a bug.
    #[error("{0} rows were locked in {1}, {2} written; nothing of the batch was kept")]
    Moved(usize, &'static WrappedColumn, u64),
    /// Values that don't open are the exception; if they are the rule, something else is wrong.
    #[error("more than {MOST_DAMAGED} values of {0} do not open")]
    Damaged(&'static WrappedColumn),
    /// Nobody reads what is told.
    #[error("the output can't be written: {0}")]
    Output(#[from] io::Error),
}

/// Rotates, or only counts; whether the old keys can be withdrawn.
pub(crate) async fn run(config: &RotationConfig, dry_run: bool) -> Result<bool, RotationError> {
    let options: PgConnectOptions = config.url.expose_secret().parse()?;
    let options = options.application_name("server-core rotate-keys").disable_statement_logging();
    let mut connection = options.connect().await?;
    repository::prepare(&mut connection).await?;
    for column in &WRAPPED {
        if !repository::owns(&mut connection, column).await? {
            return Err(RotationError::NotOwner(column.table));
        }
    }
    let mut census = Census::take(&mut connection, &config.master).await?;
    if !dry_run {
        let rotation = Rotation::new(&mut connection, &config.master);
        rotation.run(&census).await?;
        census = Census::take(&mut connection, &config.master).await?;
    }
    connection.close().await?;
    write!(io::stdout(), "{census}")?;
    Ok(census.is_clear())
}

/// One run.
struct Rotation<'a> {
    connection: &'a mut PgConnection,
    master: &'a MasterKeys,
    old: Vec<Vec<u8>>,
    origin: Origin,
    columns: Vec<Progress>,
    told: Instant,
}

/// How far one column is.
struct Progress {
    column: &'static WrappedColumn,
    rewrapped: usize,
    /// The rows whose keys don't open.
    damaged: Vec<String>,
}

/// The master key, as audit rows name it.
struct EncryptionKey(KeyId);

impl Entity for EncryptionKey {
    const TYPE: &'static str = "encryption_key";

    fn entity_id(&self) -> String {
        self.0.to_string()
    }
}

impl<'a> Rotation<'a> {
    fn new(connection: &'a mut PgConnection, master: &'a MasterKeys) -> Self {
        Self {
            connection,
            master,
            old: master.old_key_ids().map(|id| id.as_bytes().to_vec()).collect(),
            origin: Origin::own(Actor::System, "rotate_keys", Uuid::now_v7()),
            columns: WRAPPED.iter().map(|column| Progress { column, rewrapped: 0, damaged: Vec::new() }).collect(),
            told: Instant::now(),
        }
    }

    /// Works until nothing is left under an old key, or only what can't be done.
    async fn run(mut self, before: &Census) -> Result<(), RotationError> {
        self.audit("rotation_started").await?;
        let mut moved_on = Instant::now();
        // Servers may go on wrapping under an old key while this works, so it looks until nothing is left.
        while self.is_left().await? {
            let mut rewrapped = 0;
            for column in 0..self.columns.len() {
                rewrapped += self.column(column, before).await?;
            }
            if rewrapped > 0 {
                moved_on = Instant::now();
            } else if moved_on.elapsed() > PATIENCE {
                tell("some rows stayed locked by others; run it again")?;
                break;
            } else {
                tokio::time::sleep(TRY_EVERY).await;
            }
        }
        for progress in &self.columns {
            tell(format_args!("{}: {} rewrapped", progress.column, progress.rewrapped))?;
        }
        self.audit("rotation_finished").await
    }

    async fn is_left(&mut self) -> Result<bool, RotationError> {
        for progress in &self.columns {
            if repository::is_left(self.connection, progress.column, &self.old, &progress.damaged).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Walks a table once and rewraps what nobody has locked; how many that were.
    async fn column(&mut self, index: usize, before: &Census) -> Result<usize, RotationError> {
        let mut total = 0;
        // What is appended meanwhile comes with the next walk.
        let blocks = repository::blocks(self.connection, self.columns[index].column).await?;
        for start in (0..blocks).step_by(BATCH as usize) {
            total += self.batch(index, start..start + i64::from(BATCH)).await?;
            if self.told.elapsed() > TELL_EVERY {
                self.told = Instant::now();
                let Progress { column, rewrapped, .. } = &self.columns[index];
                tell(format_args!("{column}: {rewrapped} of {} rewrapped", before.old(column)))?;
            }
        }
        Ok(total)
    }

    /// One transaction; how many values it rewrapped.
    async fn batch(&mut self, index: usize, blocks: Range<i64>) -> Result<usize, RotationError> {
        let Progress { column, ref mut damaged, ref mut rewrapped } = self.columns[index];
        let mut tx = self.connection.begin().await?;
        let rows = repository::batch_lock(&mut tx, column, &self.old, damaged, blocks).await?;
        let (mut places, mut wrapped) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        for Wrapped { place, organization_id, bound_row, value } in &rows {
            match self.master.rewrap(value, &column.binding(*organization_id, bound_row)) {
                Ok(Some(key)) => {
                    places.push(place.as_str());
                    wrapped.push(key.into_bytes());
                }
                // It was found by the id of an old key.
                Ok(None) => {}
                Err(error) => {
                    tell(format_args!("{column} of {bound_row}: {error}; left as it is"))?;
                    damaged.push(bound_row.clone());
                }
            }
        }
        if damaged.len() > MOST_DAMAGED {
            return Err(RotationError::Damaged(column));
        }
        let written = repository::batch_write(&mut tx, column, &places, &wrapped).await?;
        if written != places.len() as u64 {
            return Err(RotationError::Moved(places.len(), column, written));
        }
        tx.commit().await?;
        *rewrapped += places.len();
        Ok(places.len())
    }

    async fn audit(&mut self, action: &'static str) -> Result<(), RotationError> {
        let audit = Audit::action(action, &EncryptionKey(self.master.current_key_id()));
        Ok(repository::audit_append(self.connection, audit.statement(&self.origin)).await?)
    }
}

/// Progress goes to standard error, the result to standard output.
fn tell(what: impl std::fmt::Display) -> io::Result<()> {
    writeln!(io::stderr(), "{what}")
}
