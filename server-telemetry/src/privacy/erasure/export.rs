//! Everything that is held on a person, written as it is read: no more of it is in memory than a
//! few chunks, however much there is.

use std::{io, sync::Arc};

use bytes::Bytes;
use chrono::Utc;
use futures_util::stream;
use poem::Body;
use serde_json::json;
use server_shared::causes;
use thiserror::Error;
use tokio::sync::mpsc;

use super::{clickhouse::EventHoldings, model::DataSubject, postgres::RowHoldings};
use crate::{
    privacy::registry::{HOLDINGS, Holding, Store},
    storage::StoreError,
};

/// Bytes that are sent at once, and how many such may wait for the receiver.
const CHUNK: usize = 64 * 1024;
const CHUNKS_WAITING: usize = 4;

/// Why a document ended before its end.
#[derive(Debug, Error)]
pub(super) enum ExportFault {
    /// A store failed.
    #[error("{0} failed")]
    Store(#[from] StoreError),
    /// Nobody reads any more.
    #[error("the receiver has gone")]
    Gone,
}

/// Reads both stores.
pub(crate) struct Exporter {
    pub rows: RowHoldings,
    pub events: EventHoldings,
}

impl Exporter {
    /// The document, as a body. A store that fails later breaks the connection: half a document is
    /// never taken for a whole one.
    pub(super) async fn export(self: &Arc<Self>, subject: DataSubject) -> Result<Body, StoreError> {
        // While there still is a status to say it with.
        for store in [Store::PostgreSql, Store::ClickHouse] {
            if let Some(holding) = HOLDINGS.iter().find(|holding| holding.store == store) {
                match store {
                    Store::PostgreSql => self.rows.count(holding, &subject).await?,
                    Store::ClickHouse => self.events.count(holding, &subject).await?,
                };
            }
        }
        let (sender, receiver) = mpsc::channel(CHUNKS_WAITING);
        let exporter = Arc::clone(self);
        tokio::spawn(async move {
            let mut outlet = Outlet { buffer: Vec::with_capacity(CHUNK), rows: 0, sender };
            match exporter.write(&subject, &mut outlet).await {
                Ok(()) | Err(ExportFault::Gone) => {}
                Err(fault) => {
                    tracing::error!(error = causes(&fault), "an export broke off");
                    // If the receiver has gone as well, there is nobody to tell.
                    let _ = outlet.sender.send(Err(io::Error::other("the export broke off"))).await;
                }
            }
        });
        Ok(Body::from_bytes_stream(stream::unfold(receiver, |mut receiver| async {
            let chunk = receiver.recv().await?;
            Some((chunk, receiver))
        })))
    }

    async fn write(&self, subject: &DataSubject, outlet: &mut Outlet) -> Result<(), ExportFault> {
        let mut head = json!({ "subject_kind": subject.kind.as_str(), "subject_id": subject.id });
        if let Some(organization_id) = subject.organization_id {
            head["organization_id"] = organization_id.into();
        }
        head["exported_at"] = json!(Utc::now());
        outlet.open(&head.to_string(), "holdings").await?;
        let mut separator = "";
        for holding in HOLDINGS.iter().filter(|holding| subject.may_be_in(holding)) {
            outlet.text(separator).await?;
            separator = ",";
            self.write_holding(holding, subject, outlet).await?;
        }
        outlet.text("]}\n").await?;
        outlet.flush().await
    }

    async fn write_holding(
        &self,
        holding: &Holding,
        subject: &DataSubject,
        outlet: &mut Outlet,
    ) -> Result<(), ExportFault> {
        let (store, table, found_by) = (holding.store.as_str(), holding.table, holding.found.to_string());
        let head = json!({ "store": store, "table": table, "found_by": found_by });
        outlet.open(&head.to_string(), "rows").await?;
        outlet.rows = 0;
        match holding.store {
            Store::PostgreSql => self.rows.export(holding, subject, outlet).await?,
            Store::ClickHouse => self.events.export(holding, subject, outlet).await?,
        }
        outlet.text("]}").await
    }
}

/// Where the document goes, in chunks.
pub(super) struct Outlet {
    buffer: Vec<u8>,
    /// Rows of the list that is open.
    rows: u64,
    sender: mpsc::Sender<Result<Bytes, io::Error>>,
}

impl Outlet {
    /// A row, as JSON, of the list that is open.
    pub(super) async fn row(&mut self, row: &str) -> Result<(), ExportFault> {
        if self.rows > 0 {
            self.text(",").await?;
        }
        self.rows += 1;
        self.text(row).await
    }

    /// The object `head`, with a list for its last member, left open.
    async fn open(&mut self, head: &str, list: &str) -> Result<(), ExportFault> {
        let head = head.strip_suffix('}').unwrap_or(head);
        self.text(&format!("{head},\"{list}\":[")).await
    }

    async fn text(&mut self, text: &str) -> Result<(), ExportFault> {
        self.buffer.extend_from_slice(text.as_bytes());
        if self.buffer.len() >= CHUNK { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), ExportFault> {
        let chunk = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK));
        self.sender.send(Ok(chunk.into())).await.map_err(|_| ExportFault::Gone)
    }
}
