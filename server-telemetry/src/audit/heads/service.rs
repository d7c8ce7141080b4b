//! Reading signed heads.

use std::sync::Arc;

use chrono::NaiveDate;
use serde_json::Value;
use server_shared::http::Paging;

use super::{
    model::{AuditHead, AuditHeadList},
    repository,
    signer::HeadSigner,
};
use crate::{
    audit::{error::AuditError, model::CursorMeta, reading::Reader, repository as trail},
    storage::postgres::Database,
};

/// Which heads are asked for.
#[derive(Debug, Clone)]
pub(super) struct HeadFilter {
    pub organization_id: Option<i64>,
    /// Only heads before that of this day and organization.
    pub cursor: Option<(NaiveDate, i64)>,
    pub paging: Paging,
}

/// Reads heads.
pub(crate) struct HeadService {
    /// Where they are.
    pub database: Database,
    /// Whose keys are published.
    pub signer: Arc<HeadSigner>,
}

impl HeadService {
    /// A page of heads.
    pub(super) async fn list(
        &self,
        reader: &Reader,
        organization_id: Option<i64>,
        cursor: Option<&str>,
        paging: Paging,
    ) -> Result<AuditHeadList, AuditError> {
        let organization_id = reader.organization(organization_id)?;
        let cursor = cursor.map(|cursor| position(cursor).ok_or(AuditError::Cursor)).transpose()?;
        let mut tx = self.database.disclose(&reader.person).await?;
        let mut heads = repository::head_list(&mut tx, &HeadFilter { organization_id, cursor, paging }).await?;
        trail::insert(&mut tx, &[reader.event(organization_id.unwrap_or(0))]).await?;
        tx.commit().await?;
        let page = usize::try_from(paging.limit()).unwrap_or(usize::MAX);
        let more = heads.len() > page;
        heads.truncate(page);
        let last = heads.last().filter(|_| more);
        let meta = CursorMeta { next_cursor: last.map(|head| format!("{}:{}", head.day, head.organization_id)) };
        Ok(AuditHeadList { data: heads.into_iter().map(AuditHead::from).collect(), meta })
    }

    /// The keys to check heads with.
    pub(super) fn keys(&self) -> Vec<Value> {
        self.signer.keys()
    }
}

/// The day and organization that a cursor stands for.
fn position(cursor: &str) -> Option<(NaiveDate, i64)> {
    let (day, organization_id) = cursor.split_once(':')?;
    Some((day.parse().ok()?, organization_id.parse().ok()?))
}
