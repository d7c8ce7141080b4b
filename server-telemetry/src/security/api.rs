//! Operation on security events.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use poem_openapi::{OpenApi, param::Query, payload::Json};
use server_shared::{
    ApiError,
    http::{Paging, page::PageSize},
};
use uuid::Uuid;

use super::{
    model::{SecurityEventList, SecurityFilter, SecuritySeverity},
    service::SecurityService,
};
use crate::{
    audit::Reader,
    identity::{Person, Trace},
    ingest::{Period, Tag},
    text::Word,
};

/// Operation `/v1/security/events`.
pub(crate) struct SecurityApi {
    pub security: Arc<SecurityService>,
}

#[OpenApi(prefix_path = "/v1/security", tag = "Tag::Security")]
impl SecurityApi {
    /// List security events
    ///
    /// For administrators of the organization and superadmins. Lists the events that rules derive from the audit
    /// trail as it is stored, the latest detected first. An event that goes on is updated, not repeated. Each
    /// search adds an entry to the audit trail, which lists the ids of its results in `entity_ids`.
    #[oai(path = "/events", method = "get", operation_id = "security_event_list")]
    #[allow(clippy::too_many_arguments, reason = "one argument a query parameter")]
    async fn security_event_list(
        &self,
        person: Person,
        trace: Trace,
        /// Only events that were still observed at this time or later. Answers 400 `invalid_range` unless it is before
        /// `to`.
        from: Query<Option<DateTime<Utc>>>,
        /// Only events that were first observed before this time.
        to: Query<Option<DateTime<Utc>>>,
        /// Only events of this kind, e.g. `denied_access`.
        kind: Query<Option<Word>>,
        /// Only events of this severity.
        severity: Query<Option<SecuritySeverity>>,
        /// Only events of this organization. For superadmins, who otherwise see all organizations; administrators
        /// see only their own.
        #[oai(validator(minimum(value = "0"), maximum(value = "9007199254740991")))]
        organization_id: Query<Option<i64>>,
        /// `meta.next_cursor` of the previous page.
        cursor: Query<Option<Uuid>>,
        /// Maximum number of events on a page.
        page_size: Query<Option<PageSize>>,
    ) -> Result<Json<SecurityEventList>, ApiError> {
        person.must_administrate()?;
        let period = Period::new(from.0, to.0)?;
        let filter = SecurityFilter {
            organization_id: organization_id.0,
            from: period.from(),
            to: period.to(),
            kind: kind.0.map(Word::into_inner),
            severity: severity.0,
            cursor: cursor.0,
            paging: Paging::new(None, page_size.0),
        };
        Ok(Json(self.security.list(&Reader { person, trace }, filter).await?))
    }
}
