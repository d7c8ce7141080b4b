//! Document of an export. It is written while the data is read, so that only a page of rows and a few chunks are in
//! memory at a time.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use restartix_sdk::ByteStream;
use serde::Serialize;
use serde_json::{Value, json};
use server_shared::{
    http::streamed::{Document, Gone, Outlet},
    mark::Phi,
};

use super::{
    model::SubjectKind,
    repository::{self, HeldKey, HeldRow, Person, RowKey},
};
use crate::{
    database::{DatabaseError, Pages},
    encryption::{Encryption, OrganizationKeys},
    holding::{Holding, Holdings, Shown},
    ids::OrganizationId,
};

/// Cause for which a document ends early.
#[derive(Debug, thiserror::Error)]
pub(super) enum ExportFault {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("Telemetry broke off")]
    Telemetry(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Gone(#[from] Gone),
}

/// Fields at the beginning of a document.
#[derive(Serialize)]
pub(super) struct ExportHead {
    pub(super) subject_kind: SubjectKind,
    pub(super) subject_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) organization_id: Option<OrganizationId>,
    pub(super) exported_at: DateTime<Utc>,
}

/// Export of all data that is held on a person.
pub(super) struct Export {
    pub(super) head: ExportHead,
    /// Reads the data whose disclosure has been audited.
    pub(super) pages: Pages,
    pub(super) encryption: Arc<Encryption>,
    pub(super) keys: OrganizationKeys,
    pub(super) holdings: Holdings,
    pub(super) person: Person,
    /// `true` if data outside organizations is shown.
    pub(super) platform: bool,
    /// Prefixes of files, with the keys under each.
    pub(super) files: Vec<(String, Vec<String>)>,
    /// Telemetry's documents, whose transfer has begun.
    pub(super) telemetry: Vec<ByteStream>,
}

impl Document for Export {
    type Fault = ExportFault;

    async fn write(mut self, outlet: &mut Outlet) -> Result<(), ExportFault> {
        outlet.open(&json!(self.head).to_string(), "core").await?;
        // The account's name and address are not shown to a clinic that the person has left.
        let account = self.platform || self.person.member;
        let shows = |holding: &&Holding| {
            (account || !holding.account) && holding.columns.iter().any(|column| column.shown != Shown::Nothing)
        };
        for holding in self.holdings.iter().filter(shows) {
            self.write_holding(holding, outlet).await?;
        }
        for (prefix, keys) in &self.files {
            open_holding(outlet, "s3", prefix, "key:name").await?;
            for key in keys {
                outlet.entry(&json!({ "key": key }).to_string()).await?;
            }
            outlet.close().await?;
        }
        outlet.next("telemetry").await?;
        for document in std::mem::take(&mut self.telemetry) {
            outlet.separate();
            let mut chunks = document.into_inner();
            while let Some(chunk) = chunks.next().await {
                outlet.bytes(&chunk.map_err(|error| ExportFault::Telemetry(error.into()))?).await?;
            }
        }
        Ok(outlet.close().await?)
    }
}

impl Export {
    async fn write_holding(&self, holding: &Holding, outlet: &mut Outlet) -> Result<(), ExportFault> {
        open_holding(outlet, "postgresql", holding.table, &holding.found.to_string()).await?;
        let mut after = None;
        loop {
            let mut tx = self.pages.page().await?;
            let (rows, next) = repository::holding_page(&mut tx, holding, &self.person, after.as_deref()).await?;
            // No transaction stays open while a slow client receives the rows.
            drop(tx);
            for row in rows {
                let mut row = self.open(holding, row).await?;
                if holding.account && !self.platform {
                    without_the_platform(&mut row);
                }
                outlet.entry(&row.to_string()).await?;
            }
            after = next;
            if after.is_none() {
                return Ok(outlet.close().await?);
            }
        }
    }

    async fn open(&self, holding: &Holding, row: HeldRow) -> Result<Value, DatabaseError> {
        let HeldRow { key, mut columns } = row;
        let key = match key {
            Some(RowKey { key: HeldKey::Wrapped(holder, wrapped), row }) => {
                Some((self.encryption.open(holder, &wrapped)?, row))
            }
            Some(RowKey { key: HeldKey::Organization(organization), row }) => {
                Some((self.keys.of(organization).await?, row))
            }
            None => None,
        };
        for column in holding.columns {
            let Shown::Sealed(name) = column.shown else { continue };
            let sealed = columns.shift_remove(column.name).filter(|value| !value.is_null());
            if let (Some(sealed), Some((key, row))) = (sealed, &key) {
                let value = key.row(holding.table, *row).open(name, Some(&repository::bytes(&sealed)?))?;
                columns.insert(name.to_owned(), value.map(Phi::into_inner).into());
            }
        }
        Ok(Value::Object(columns))
    }
}

/// Begins a holding and its list of rows.
async fn open_holding(outlet: &mut Outlet, store: &str, table: &str, found_by: &str) -> Result<(), Gone> {
    outlet.open(&json!({ "store": store, "table": table, "found_by": found_by }).to_string(), "rows").await
}

/// Removes the columns that disclose to an organization data of the account from outside of it.
fn without_the_platform(account: &mut Value) {
    if let Value::Object(columns) = account {
        columns.shift_remove("current_organization_id");
        columns.shift_remove("superadmin");
    }
}
