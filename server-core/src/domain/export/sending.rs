//! A table that is sent as an answer: what is recorded of it once it has left, or has not.

use std::{io, time::Duration};

use server_shared::{backoff::Backoff, http::csv::Watch};

use super::{event::ExportEvent, model::ExportRecord, repository};
use crate::{
    database::{Database, DatabaseError},
    event::Events,
    identity::Caller,
};

/// Pauses between attempts to record the end of an export while the database can't be reached.
const PAUSES: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));
/// Number of these attempts. The sweep records the end of an export that none of them has recorded.
const ATTEMPTS: u32 = 10;
/// Code of a transfer that its receiver has broken off.
const RECEIVER_GONE: &str = "receiver_gone";
/// Code of a transfer whose source has failed.
const BROKEN_OFF: &str = "export_broken_off";

/// Observes an export that is sent, and records its end: the number of rows that have left, or the failure. The
/// receiver sees the end of the table only once its number of rows is in the trail.
pub(super) struct Sending {
    /// `None` once the end is recorded.
    record: Option<Record>,
    sent: u64,
}

/// Record of an export.
struct Record {
    database: Database,
    /// Caller who asked for the export, as the owner of the tables: nobody else says that something has failed.
    caller: Caller,
    export: ExportRecord,
}

impl Sending {
    pub(super) fn new(database: Database, caller: &Caller, export: ExportRecord) -> Self {
        let record = Record { database, caller: caller.privileged(), export };
        Self { record: Some(record), sent: 0 }
    }
}

impl Watch for Sending {
    fn taken(&mut self, rows: u64) {
        self.sent += rows;
    }

    async fn finished(mut self) -> io::Result<()> {
        let Some(record) = self.record.take() else { return Ok(()) };
        let settled = record.settle(self.sent, None).await;
        let Err(error) = settled else { return Ok(()) };
        tracing::error!(?error, "the end of an export could not be recorded, so it breaks off");
        // The transfer fails now, which is to be recorded in place of its end.
        tokio::spawn(record.fail(self.sent, BROKEN_OFF));
        Err(io::Error::other("the end of the export could not be recorded"))
    }

    async fn failed(mut self) {
        if let Some(record) = self.record.take() {
            // Is not waited for: the transfer breaks off in any case.
            tokio::spawn(record.fail(self.sent, BROKEN_OFF));
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(record) = self.record.take() {
            tokio::spawn(record.fail(self.sent, RECEIVER_GONE));
        }
    }
}

impl Record {
    /// Records the failure of an export, if need be again and again.
    async fn fail(self, sent: u64, code: &'static str) {
        for attempt in 1..=ATTEMPTS {
            match self.settle(sent, Some(code)).await {
                Ok(()) => return,
                Err(error) => tracing::warn!(?error, attempt, "the failure of an export could not be recorded"),
            }
            tokio::time::sleep(PAUSES.after(attempt)).await;
        }
    }

    /// Records the end of an export, unless it is recorded already.
    async fn settle(&self, sent: u64, failure: Option<&'static str>) -> Result<(), DatabaseError> {
        let export = self.export;
        let mut tx = self.database.write_apart(&self.caller, Vec::new()).await?;
        if repository::export_settle(&mut tx, export, sent, failure).await? {
            let event = match failure {
                None => ExportEvent::Completed(export, sent),
                Some(code) => ExportEvent::Failed(export, sent, code),
            };
            tx.commit(Events::from(event)).await?;
        }
        Ok(())
    }
}
