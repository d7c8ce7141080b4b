//! Service for signed heads.

use std::sync::Arc;

use chrono::{Days, NaiveDate};
use serde_json::Value;
use server_shared::http::Paging;

use super::{
    model::{AuditHead, AuditHeadList, HeadFilter},
    repository,
    signer::HeadSigner,
};
use crate::{
    audit::{error::AuditError, model::CursorMeta, reading::Reader, repository as trail},
    storage::postgres::Database,
    text::HeadCursor,
};

/// Reads heads.
pub(crate) struct HeadService {
    /// Database with the heads.
    pub database: Database,
    /// Signer whose keys are published.
    pub signer: Arc<HeadSigner>,
}

impl HeadService {
    /// Returns a page of heads.
    pub(super) async fn list(
        &self,
        reader: &Reader,
        organization_id: Option<i64>,
        cursor: Option<&HeadCursor>,
        paging: Paging,
    ) -> Result<AuditHeadList, AuditError> {
        let organization_id = reader.organization(organization_id)?;
        let cursor = cursor.and_then(position);
        let mut tx = self.database.disclose(&reader.person).await?;
        let mut heads = repository::head_list(&mut tx, &HeadFilter { organization_id, cursor, paging }).await?;
        trail::insert(&mut tx, &[reader.event(organization_id.unwrap_or(0))]).await?;
        tx.commit().await?;
        let page = usize::try_from(paging.limit()).unwrap_or(usize::MAX);
        let more = heads.len() > page;
        heads.truncate(page);
        let last = heads.last().filter(|_| more);
        let meta = CursorMeta { next_cursor: last.map(|head| cursor_of(head.day, head.organization_id)) };
        Ok(AuditHeadList { data: heads.into_iter().map(AuditHead::from).collect(), meta })
    }

    /// Returns the public keys with which heads can be verified.
    pub(super) fn keys(&self) -> Vec<Value> {
        self.signer.keys()
    }
}

/// Returns the cursor of a head: days since 1970 and the organization. Every text of the form that the
/// specification states is a cursor that a page could have returned.
fn cursor_of(day: NaiveDate, organization_id: i64) -> String {
    format!("{}:{organization_id}", (day - NaiveDate::default()).num_days())
}

/// Returns the day and the organization that a cursor encodes.
fn position(cursor: &HeadCursor) -> Option<(NaiveDate, i64)> {
    let (days, organization_id) = cursor.as_ref().split_once(':')?;
    let day = NaiveDate::default() + Days::new(days.parse().ok()?);
    Some((day, organization_id.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let day = NaiveDate::from_ymd_opt(2025, 11, 9).unwrap();
        let cursor = HeadCursor::new(cursor_of(day, 7)).unwrap();
        assert_eq!(position(&cursor), Some((day, 7)));
        assert!(position(&HeadCursor::new("99999:999999999999999".to_owned()).unwrap()).is_some());
    }
}
