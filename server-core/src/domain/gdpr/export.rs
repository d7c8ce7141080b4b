//! The document of an export, written as it is read: no more of it is in memory than a page and a few
//! chunks, however much there is.

use std::{io, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};
use poem::Body;
use restartix_sdk::ByteStream;
use serde::Serialize;
use serde_json::{Value, json};
use server_shared::causes;
use tokio::sync::mpsc;

use super::{
    model::SubjectKind,
    registry::{HOLDINGS, Holding, Shown},
    repository::{self, HeldRow, Person, RowKey},
};
use crate::{
    database::{DatabaseError, Disclosed},
    encryption::{Encryption, RowCipher},
    ids::OrganizationId,
};

/// Bytes that are sent at once, and how many such may wait for the receiver.
const CHUNK: usize = 64 * 1024;
const CHUNKS_WAITING: usize = 4;

/// Why a document ended before its end.
#[derive(Debug, thiserror::Error)]
enum ExportFault {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("Telemetry broke off")]
    Telemetry(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the receiver has gone")]
    Gone,
}

/// What a document begins with.
#[derive(Serialize)]
pub(super) struct ExportHead {
    pub(super) subject_kind: SubjectKind,
    pub(super) subject_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) organization_id: Option<OrganizationId>,
    pub(super) exported_at: DateTime<Utc>,
}

/// Everything that is held on a person, on its way out.
pub(super) struct Export {
    /// That this is going to be read has been audited.
    pub(super) disclosed: Disclosed,
    pub(super) encryption: Arc<Encryption>,
    pub(super) person: Person,
    /// Whether what the person is above organizations is shown.
    pub(super) platform: bool,
    /// Keys of files by their prefix.
    pub(super) files: Vec<(String, Vec<String>)>,
    /// Telemetry's documents, each begun.
    pub(super) telemetry: Vec<ByteStream>,
}

impl Export {
    /// The document, as a body. What fails on the way breaks the connection: half a document is never
    /// taken for a whole one.
    pub(super) fn body(self, head: &ExportHead) -> Body {
        let (sender, receiver) = mpsc::channel(CHUNKS_WAITING);
        let head = json!(head).to_string();
        tokio::spawn(async move {
            let mut outlet = Outlet { buffer: Vec::with_capacity(CHUNK), sender };
            match self.write(&head, &mut outlet).await {
                Ok(()) | Err(ExportFault::Gone) => {}
                Err(fault) => {
                    tracing::error!(error = causes(&fault), "an export broke off");
                    // If the receiver has gone as well, there is nobody to tell.
                    let _ = outlet.sender.send(Err(io::Error::other("the export broke off"))).await;
                }
            }
        });
        Body::from_bytes_stream(stream::unfold(receiver, |mut receiver| async {
            let chunk = receiver.recv().await?;
            Some((chunk, receiver))
        }))
    }

    async fn write(self, head: &str, outlet: &mut Outlet) -> Result<(), ExportFault> {
        outlet.open(head, "core").await?;
        // What somebody is called and where to write to is not for a clinic that the person has left.
        let account = self.platform || self.person.member;
        let shows = |holding: &&Holding| {
            (account || !holding.account) && holding.columns.iter().any(|column| column.shown != Shown::Nothing)
        };
        let mut separator = "";
        for holding in HOLDINGS.iter().filter(shows) {
            outlet.text(separator).await?;
            separator = ",";
            self.write_holding(holding, outlet).await?;
        }
        for (prefix, keys) in &self.files {
            outlet.text(separator).await?;
            outlet.open_holding("s3", prefix, "key:name").await?;
            let mut separator = "";
            for key in keys {
                outlet.text(separator).await?;
                separator = ",";
                outlet.text(&json!({ "key": key }).to_string()).await?;
            }
            outlet.text("]}").await?;
        }
        outlet.text("],\"telemetry\":[").await?;
        let mut separator = "";
        for document in self.telemetry {
            outlet.text(separator).await?;
            separator = ",";
            let mut chunks = document.into_inner();
            while let Some(chunk) = chunks.next().await {
                outlet.bytes(&chunk.map_err(|error| ExportFault::Telemetry(error.into()))?).await?;
            }
        }
        outlet.text("]}").await?;
        outlet.flush().await
    }

    async fn write_holding(&self, holding: &Holding, outlet: &mut Outlet) -> Result<(), ExportFault> {
        outlet.open_holding("postgresql", holding.table, &holding.found.to_string()).await?;
        let (mut separator, mut after) = ("", None);
        loop {
            let mut tx = self.disclosed.page().await?;
            let (rows, next) = repository::holding_page(&mut tx, holding, &self.person, after.as_deref()).await?;
            // The receiver may be slow, and nobody should wait for it with a transaction open.
            drop(tx);
            for row in rows {
                let mut row = self.open(holding, row)?;
                if holding.account && !self.platform {
                    without_the_platform(&mut row);
                }
                outlet.text(separator).await?;
                separator = ",";
                outlet.text(&row.to_string()).await?;
            }
            after = next;
            if after.is_none() {
                return outlet.text("]}").await;
            }
        }
    }

    fn open(&self, holding: &Holding, row: HeldRow) -> Result<Value, DatabaseError> {
        let HeldRow { key, mut columns } = row;
        let key = key
            .map(|RowKey { organization, key, wrapped, row }| {
                let data_key = match key {
                    Some(id) => self.encryption.open_key(organization, id, &wrapped),
                    None => self.encryption.open_user_key(row, &wrapped),
                };
                data_key.map(|data_key| (data_key, organization, row))
            })
            .transpose()?;
        for column in holding.columns {
            let Shown::Sealed(name) = column.shown else { continue };
            let sealed = columns.shift_remove(column.name).filter(|value| !value.is_null());
            if let (Some(sealed), Some((data_key, organization, row))) = (sealed, &key) {
                let cipher = RowCipher::new(data_key, *organization, holding.table, *row);
                let value = cipher.open(name, Some(&repository::bytes(&sealed)?))?;
                columns.insert(name.to_owned(), value.into());
            }
        }
        Ok(Value::Object(columns))
    }
}

/// An organization is not told where else the person is, nor what it is above organizations.
fn without_the_platform(account: &mut Value) {
    if let Value::Object(columns) = account {
        columns.shift_remove("current_organization_id");
        columns.shift_remove("superadmin");
    }
}

/// Where the document goes, in chunks.
struct Outlet {
    buffer: Vec<u8>,
    sender: mpsc::Sender<Result<Bytes, io::Error>>,
}

impl Outlet {
    /// The object `head`, with a list for its last member, left open.
    async fn open(&mut self, head: &str, list: &str) -> Result<(), ExportFault> {
        let head = head.strip_suffix('}').unwrap_or(head);
        self.text(&format!("{head},\"{list}\":[")).await
    }

    /// A holding with its list of rows left open.
    async fn open_holding(&mut self, store: &str, table: &str, found_by: &str) -> Result<(), ExportFault> {
        let head = json!({ "store": store, "table": table, "found_by": found_by });
        self.open(&head.to_string(), "rows").await
    }

    async fn text(&mut self, text: &str) -> Result<(), ExportFault> {
        self.bytes(text.as_bytes()).await
    }

    async fn bytes(&mut self, bytes: &[u8]) -> Result<(), ExportFault> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), ExportFault> {
        let chunk = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK));
        self.sender.send(Ok(chunk.into())).await.map_err(|_| ExportFault::Gone)
    }
}
