//! `server-core rotate-keys`: rewraps every data key with the current `ENCRYPTION_KEY`.
//!
//! Each table is walked a few blocks at a time in short transactions; rows locked by others are left for the next walk.
//! The rows alone show the progress, because each names the master key that wraps it. So a run that was killed is
//! continued by the next one, and two runs at once don't disturb each other. Sealed values are not touched.

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

/// Exit code if the old keys are still needed.
pub(crate) const KEPT: u8 = 3;

/// Text below the help that lists the exit codes.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  every value is under the current key: the old keys can be removed
  1  the run failed; run it again
  2  the configuration is wrong
  3  not every value is under the current key: the old keys must stay";

/// Blocks of a table that one transaction processes: about a thousand rows, some milliseconds' work.
const BATCH: u32 = 16;
/// Time for which a run waits for rows locked by others, after the last row that it could rewrap.
const PATIENCE: Duration = Duration::from_secs(30);
/// Interval at which locked rows are tried again.
const TRY_EVERY: Duration = Duration::from_millis(250);
/// Interval at which progress is reported.
const TELL_EVERY: Duration = Duration::from_secs(2);
/// Largest number of damaged values of one column that are reported and skipped; more indicate another fault.
const MOST_DAMAGED: usize = 100;

/// Failure of a run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RotationError {
    /// PostgreSQL returned an error or did not answer; committed batches stay.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The role does not own the table, so row-level security would hide rows.
    #[error("DATABASE_URL is not the role that owns {0}")]
    NotOwner(&'static str),
    /// Locked rows were moved: a bug.
    #[error("{0} rows of {1} were locked, but {2} were written; the batch was rolled back")]
    Moved(usize, &'static WrappedColumn, u64),
    /// Too many values don't open, so the cause is another fault than single damaged values.
    #[error("more than {MOST_DAMAGED} values of {0} can't be decrypted")]
    Damaged(&'static WrappedColumn),
    /// The output can't be written.
    #[error("the output can't be written: {0}")]
    Output(#[from] io::Error),
}

/// Rewraps the keys, or only counts them; returns true if the old keys can be removed.
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

/// State of a run.
struct Rotation<'a> {
    connection: &'a mut PgConnection,
    master: &'a MasterKeys,
    old: Vec<Vec<u8>>,
    origin: Origin,
    columns: Vec<Progress>,
    told: Instant,
}

/// Progress in one column.
struct Progress {
    column: &'static WrappedColumn,
    rewrapped: usize,
    /// Ids of the rows whose keys don't open.
    damaged: Vec<String>,
}

/// Master key, as audit rows name it.
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

    /// Rewraps until no value is left under an old key, or only values that are damaged or stay locked.
    async fn run(mut self, before: &Census) -> Result<(), RotationError> {
        self.audit("rotation_started").await?;
        let mut moved_on = Instant::now();
        // Servers may still wrap new keys with an old key, so walks are repeated until nothing is left.
        while self.is_left().await? {
            let mut rewrapped = 0;
            for column in 0..self.columns.len() {
                rewrapped += self.column(column, before).await?;
            }
            if rewrapped > 0 {
                moved_on = Instant::now();
            } else if moved_on.elapsed() > PATIENCE {
                tell("some rows stayed locked by other transactions; run it again")?;
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

    /// Walks a table once and rewraps the values that nobody has locked; returns their number.
    async fn column(&mut self, index: usize, before: &Census) -> Result<usize, RotationError> {
        let mut total = 0;
        // Blocks appended meanwhile are left for the next walk.
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

    /// Processes some blocks in one transaction; returns the number of values rewrapped.
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
                // Can't happen: the row was selected by the id of an old key.
                Ok(None) => {}
                Err(error) => {
                    tell(format_args!("{column} of {bound_row}: {error}; skipped"))?;
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

/// Reports progress on standard error; the result goes to standard output.
fn tell(what: impl std::fmt::Display) -> io::Result<()> {
    writeln!(io::stderr(), "{what}")
}
