//! Operation on security events.

use std::sync::Arc;

use poem_openapi::{OpenApi, param::Query, payload::Json};
use server_shared::{
    ApiError,
    http::{Paging, page::PageSize},
    value::Moment,
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
    /// Permitted to administrators of the organization and to superadmins. Returns the events that rules derive from
    /// the audit trail, the latest detected first. While a pattern continues, its event is updated and no further one
    /// is created. Each request adds an entry to the audit trail, whose `entity_ids` are the ids of the results.
    #[oai(path = "/events", method = "get", operation_id = "security_event_list")]
    #[allow(clippy::too_many_arguments, reason = "one argument a query parameter")]
    async fn security_event_list(
        &self,
        person: Person,
        trace: Trace,
        /// Selects events whose `last_seen_at` is this time or later. Answers 400 `invalid_range` unless it is before
        /// `to`.
        from: Query<Option<Moment>>,
        /// Selects events whose `first_seen_at` is before this time.
        to: Query<Option<Moment>>,
        /// Selects events of this kind, e.g. `denied_access`.
        kind: Query<Option<Word>>,
        /// Selects events of this severity.
        severity: Query<Option<SecuritySeverity>>,
        /// Selects events of this organization. If left out, superadmins get the events of all organizations,
        /// administrators those of their own. Answers 404 `organization_not_found` to administrators who name another
        /// one.
        #[oai(validator(minimum(value = "0"), maximum(value = "9007199254740991")))]
        organization_id: Query<Option<i64>>,
        /// Position of the page: `meta.next_cursor` of the previous one. The first page if left out.
        cursor: Query<Option<Uuid>>,
        /// Maximum number of events on a page, at most 100; 25 if left out.
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
