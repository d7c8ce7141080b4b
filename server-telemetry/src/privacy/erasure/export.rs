//! Export of a person's data, written while it is read.

use std::sync::Arc;

use chrono::Utc;
use serde_json::json;
use server_shared::http::streamed::{Document, Gone, Outlet};
use thiserror::Error;

use super::{clickhouse::EventHoldings, model::DataSubject, postgres::RowHoldings};
use crate::{
    privacy::registry::{HOLDINGS, Holding, Store},
    storage::StoreError,
};

/// Reason for which a document ended early.
#[derive(Debug, Error)]
pub(super) enum ExportFault {
    /// A store failed.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The client stopped reading.
    #[error(transparent)]
    Gone(#[from] Gone),
}

/// Exports the data of both stores.
pub(crate) struct Exporter {
    pub rows: RowHoldings,
    pub events: EventHoldings,
}

impl Exporter {
    /// Returns the document, to be written while it is sent. If a store fails later, the connection breaks, so that
    /// a client cannot mistake half a document for a whole one.
    pub(super) async fn export(self: &Arc<Self>, subject: DataSubject) -> Result<Export, StoreError> {
        // Checks the stores while there still is a status to report a failure with.
        for store in [Store::PostgreSql, Store::ClickHouse] {
            if let Some(holding) = HOLDINGS.iter().find(|holding| holding.store == store) {
                match store {
                    Store::PostgreSql => self.rows.count(holding, &subject).await?,
                    Store::ClickHouse => self.events.count(holding, &subject).await?,
                };
            }
        }
        Ok(Export { exporter: Arc::clone(self), subject })
    }

    async fn write(&self, subject: &DataSubject, outlet: &mut Outlet) -> Result<(), ExportFault> {
        let mut head = json!({ "subject_kind": subject.kind.as_str(), "subject_id": subject.id });
        if let Some(organization_id) = subject.organization_id {
            head["organization_id"] = organization_id.into();
        }
        head["exported_at"] = json!(Utc::now());
        outlet.open(&head.to_string(), "holdings").await?;
        for holding in HOLDINGS.iter().filter(|holding| subject.may_be_in(holding)) {
            self.write_holding(holding, subject, outlet).await?;
        }
        Ok(outlet.close().await?)
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
        match holding.store {
            Store::PostgreSql => self.rows.export(holding, subject, outlet).await?,
            Store::ClickHouse => self.events.export(holding, subject, outlet).await?,
        }
        Ok(outlet.close().await?)
    }
}

/// Export that is being written.
pub(super) struct Export {
    exporter: Arc<Exporter>,
    subject: DataSubject,
}

impl Document for Export {
    type Fault = ExportFault;

    async fn write(self, outlet: &mut Outlet) -> Result<(), ExportFault> {
        self.exporter.write(&self.subject, outlet).await
    }
}
