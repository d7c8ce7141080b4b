//! Operations of the audit trail.

use std::sync::Arc;

use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use server_shared::{
    ApiError,
    http::{Accepted, Body, Paging, page::PageSize},
    value::Moment,
};
use uuid::Uuid;

use super::{
    AuditService,
    model::{AuditBatch, AuditFilter, AuditLog, AuditLogList, AuditReceipt},
    reading::Reader,
};
use crate::{
    identity::{Person, Service, Trace},
    ingest::{Period, Tag},
    text::{Identifier, Word},
};

/// Operations under `/v1/audit`.
pub(crate) struct AuditApi {
    pub audit: Arc<AuditService>,
}

#[OpenApi(prefix_path = "/v1/audit", tag = "Tag::Audit")]
impl AuditApi {
    /// Store audit events
    ///
    /// Permitted to Core only. Answers once every event with the result `accepted` is durable. An event with an id that
    /// is already stored gets the result `duplicate` and changes nothing, so a batch whose answer was lost can be sent
    /// again unchanged.
    #[oai(path = "/ingest", method = "post", operation_id = "audit_ingest")]
    async fn audit_ingest(&self, _core: Service, body: Body<AuditBatch>) -> Result<Accepted<AuditReceipt>, ApiError> {
        Ok(Accepted(self.audit.ingest(body.0).await?))
    }

    /// List the audit trail
    ///
    /// Permitted to administrators of the organization and to superadmins. Returns the newest entries first. There is
    /// another page as long as `meta.next_cursor` is present; entries that arrive in the meantime do not shift the
    /// pages. Each request adds an entry to the trail, whose `entity_ids` are the ids of the results.
    #[oai(path = "/logs", method = "get", operation_id = "audit_log_list")]
    #[allow(clippy::too_many_arguments, reason = "one argument a query parameter")]
    async fn audit_log_list(
        &self,
        person: Person,
        trace: Trace,
        /// Selects events that occurred at this time or later. Answers 400 `invalid_range` unless it is before `to`.
        from: Query<Option<Moment>>,
        /// Selects events that occurred before this time.
        to: Query<Option<Moment>>,
        /// Selects events of this user.
        #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
        actor_user_id: Query<Option<i64>>,
        /// Selects events with this action, e.g. `updated`.
        action: Query<Option<Word>>,
        /// Selects events of this entity type, e.g. `appointment`.
        entity_type: Query<Option<Word>>,
        /// Selects events of the entity with this id; ids are unique only within an entity type.
        entity_id: Query<Option<Identifier>>,
        /// Selects events of the request with this id.
        request_id: Query<Option<Identifier>>,
        /// Selects events of requests that carried this id in `X-Request-Id`.
        client_request_id: Query<Option<Uuid>>,
        /// Selects events of this organization. If left out, superadmins get the events of all organizations,
        /// administrators those of their own. Answers 404 `organization_not_found` to administrators who name another
        /// one.
        #[oai(validator(minimum(value = "0"), maximum(value = "9007199254740991")))]
        organization_id: Query<Option<i64>>,
        /// Position of the page: `meta.next_cursor` of the previous one. The first page if left out.
        cursor: Query<Option<Uuid>>,
        /// Maximum number of entries on a page, at most 100; 25 if left out.
        page_size: Query<Option<PageSize>>,
    ) -> Result<Json<AuditLogList>, ApiError> {
        person.must_administrate()?;
        let period = Period::new(from.0, to.0)?;
        let filter = AuditFilter {
            organization_id: organization_id.0,
            from: period.from(),
            to: period.to(),
            actor_user_id: actor_user_id.0,
            action: action.0.map(Word::into_inner),
            entity_type: entity_type.0.map(Word::into_inner),
            entity_id: entity_id.0.map(Identifier::into_inner),
            request_id: request_id.0.map(Identifier::into_inner),
            client_request_id: client_request_id.0,
            cursor: cursor.0,
            paging: Paging::new(None, page_size.0),
        };
        Ok(Json(self.audit.list(&Reader { person, trace }, filter).await?))
    }

    /// Get an entry of the audit trail
    ///
    /// Permitted to administrators of the organization and to superadmins. Each request adds an entry to the trail.
    #[oai(path = "/logs/:audit_id", method = "get", operation_id = "audit_log_get")]
    async fn audit_log_get(
        &self,
        person: Person,
        trace: Trace,
        /// Id of the event.
        audit_id: Path<Uuid>,
    ) -> Result<Json<AuditLog>, ApiError> {
        person.must_administrate()?;
        Ok(Json(self.audit.get(&Reader { person, trace }, audit_id.0).await?))
    }
}
