//! Two clinics with patients, and the exports of their administrators.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::de::IgnoredAny;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::interval;

use super::{DATABASE, ROWS, SEALED_ROWS, Turn};
use crate::person::Person;
use crate::server::Server;
use crate::setup::Setup;
use crate::{check, database, process, psql};

/// Interval at which the memory of the server is read.
const SAMPLE: Duration = Duration::from_millis(20);
/// Bytes that are read of an answer at once.
const READ: usize = 256 * 1024;
/// End of an answer in chunks.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";
/// Columns that are in the clear, of the same names in SQL.
const CLEAR: [&str; 6] = ["id", "uid", "first_name", "last_name", "created_at", "updated_at"];
/// Columns that are sealed, and their names in SQL.
const SEALED: [(&str, &str); 4] = [
    ("email", "email_encrypted"),
    ("phone", "phone_encrypted"),
    ("date_of_birth", "date_of_birth_encrypted"),
    ("address", "address_encrypted"),
];

/// Table that is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    /// Columns in the clear of the large clinic.
    Large,
    /// Columns in the clear of the small clinic.
    Clear,
    /// These and sealed columns of the small clinic.
    Sealed,
}

impl Table {
    fn organization(self) -> u32 {
        match self {
            Self::Large => 1,
            Self::Clear | Self::Sealed => 2,
        }
    }

    /// Returns the columns, by their names in requests and in SQL.
    fn columns(self) -> (Vec<&'static str>, Vec<&'static str>) {
        let sealed: &[_] = if self == Self::Sealed { &SEALED } else { &[] };
        let clear = CLEAR.map(|name| (name, name));
        clear.into_iter().chain(sealed.iter().copied()).unzip()
    }
}

/// Clinics that are measured, with their server.
#[derive(Debug)]
pub(super) struct Clinic {
    setup: Setup,
    server: Server,
}

impl Clinic {
    /// Creates a database with both clinics and starts a server on it.
    pub(super) async fn fill(setup: &Setup, telemetry_url: &str) -> Result<Self> {
        eprintln!("==> filling clinics with {ROWS} and {SEALED_ROWS} patients");
        let setup = database::create(setup, DATABASE).await?;
        database::administer(&setup).await?;
        let server = Server::start(&setup, telemetry_url).await?;
        let clinic = Self { setup, server };
        clinic.patients_create(1, 1).await?;
        database::patients_copy(&clinic.setup, ROWS).await?;
        clinic.patients_create(2, SEALED_ROWS).await?;
        database::seed(&clinic.setup, &[], "vacuum (analyze);").await?;
        check::settled(&clinic.setup).await?;
        check::forwarded(&clinic.setup).await?;
        Ok(clinic)
    }

    /// Creates patients with sealed values in a clinic, one after the other.
    async fn patients_create(&self, organization: u32, count: u32) -> Result<()> {
        let person = self.person(organization)?;
        let mut connection = person.connect().await?;
        for number in 0..count {
            let body = json!({
                "first_name": "Ada",
                "last_name": format!("Sample {number}"),
                "email": format!("ada.{number}@example.com"),
                "phone": format!("+4930{:07}", 1_000_000 + number),
                "date_of_birth": "1980-02-29",
                "address": "1 Example Street, 10115 Berlin",
            });
            let _: IgnoredAny = person.ask(&mut connection, "POST", "/v1/patients", &body).await?;
        }
        Ok(())
    }

    /// Returns the administrator of a clinic.
    fn person(&self, organization: u32) -> Result<Person> {
        Person::new(&self.setup, &self.server, organization, organization)
    }

    /// Exports a table and copies it, in an order that changes from round to round.
    pub(super) async fn turn(&self, table: Table, round: u32) -> Result<Turn> {
        let mut copied = Duration::ZERO;
        if round.is_multiple_of(2) {
            copied = self.copy(table).await?;
        }
        let mut turn = self.export(table).await?;
        if round % 2 == 1 {
            copied = self.copy(table).await?;
        }
        turn.copied = copied;
        Ok(turn)
    }

    /// Exports a table, and reads the memory of the server meanwhile.
    async fn export(&self, table: Table) -> Result<Turn> {
        let (columns, _) = table.columns();
        let body = json!({ "patients": { "columns": columns } });
        let request = self.person(table.organization())?.request("POST", "/v1/export/csv", &body);
        let idle = process::memory(self.server.pid)?;
        let mut stream = TcpStream::connect(&self.server.address).await?;
        let (mut most, mut samples) = (idle, interval(SAMPLE));
        let (mut buffer, mut tail) = (vec![0; READ], Vec::new());
        let (mut bytes, mut first) = (0_u64, Duration::ZERO);
        let began = Instant::now();
        stream.write_all(request.as_bytes()).await?;
        loop {
            let read = tokio::select! {
                read = stream.read(&mut buffer) => read?,
                _ = samples.tick() => {
                    most = most.max(process::memory(self.server.pid)?);
                    continue;
                }
            };
            if read == 0 {
                bail!("the export broke off after {bytes} bytes");
            }
            if bytes == 0 {
                first = began.elapsed();
                let head = String::from_utf8_lossy(&buffer[..read.min(200)]);
                ensure!(head.starts_with("HTTP/1.1 200"), "an export was answered: {head}");
            }
            bytes += read as u64;
            tail.extend_from_slice(&buffer[read.saturating_sub(LAST_CHUNK.len())..read]);
            tail.drain(..tail.len().saturating_sub(LAST_CHUNK.len()));
            if tail == LAST_CHUNK {
                break;
            }
        }
        let whole = began.elapsed();
        let sent = "select rows_sent from exports where state = 'succeeded' order by id desc limit 1;";
        let rows = psql::run(&self.setup, &self.setup.database_url, &[], sent).await?;
        let rows = rows.trim().parse().context("an export is recorded")?;
        Ok(Turn { rows, first, whole, copied: Duration::ZERO, idle, most })
    }

    /// Copies the same columns of the same rows as CSV to nowhere; returns the time that it took.
    async fn copy(&self, table: Table) -> Result<Duration> {
        let (_, columns) = table.columns();
        let (columns, organization) = (columns.join(", "), table.organization());
        let copy = format!(
            "copy (select {columns} from patients where organization_id = {organization} and deleted_at is null) \
             to stdout (format csv, header)"
        );
        let mut psql = Command::new(self.setup.pg_bin.join("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--no-password", "--set=ON_ERROR_STOP=1", "--command", &copy]);
        psql.arg(&self.setup.database_url).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        let began = Instant::now();
        let status = psql.status().await.context("cannot run psql")?;
        ensure!(status.success(), "COPY failed ({status})");
        Ok(began.elapsed())
    }

    /// Stops the server.
    pub(super) async fn stop(self) -> Result<()> {
        self.server.stop().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_and_its_copy_have_the_same_columns() {
        for table in [Table::Large, Table::Clear, Table::Sealed] {
            let (requested, copied) = table.columns();
            assert_eq!(requested.len(), copied.len(), "{table:?}");
            for (name, column) in requested.iter().zip(&copied) {
                assert_eq!(column.strip_suffix("_encrypted").unwrap_or(column), *name);
            }
        }
    }
}
