//! Service for security events.

use super::{
    model::{SecurityEventList, SecurityFilter},
    repository,
};
use crate::{
    audit::{self, AuditError, CursorMeta, NewAuditEvent, Reader},
    storage::postgres::Database,
    text::Word,
};

/// Reads security events.
pub(crate) struct SecurityService {
    /// Database with the events.
    pub database: Database,
}

impl SecurityService {
    /// Returns a page of security events. The reading adds an entry to the trail, with the ids that it returned.
    pub(super) async fn list(&self, reader: &Reader, filter: SecurityFilter) -> Result<SecurityEventList, AuditError> {
        let organization_id = reader.organization(filter.organization_id)?;
        let filter = SecurityFilter { organization_id, ..filter };
        let mut tx = self.database.disclose(&reader.person).await?;
        let mut data = repository::list(&mut tx, &filter).await?;
        let page = usize::try_from(filter.paging.limit()).unwrap_or(usize::MAX);
        let more = data.len() > page;
        data.truncate(page);
        let search = NewAuditEvent {
            entity_type: Word::literal("security_event"),
            ..reader.event_of_search(organization_id.unwrap_or(0), data.iter().map(|event| event.id))
        };
        audit::insert(&mut tx, &[search]).await?;
        tx.commit().await?;
        let next_cursor = data.last().filter(|_| more).map(|last| last.id.to_string());
        Ok(SecurityEventList { data, meta: CursorMeta { next_cursor } })
    }
}
