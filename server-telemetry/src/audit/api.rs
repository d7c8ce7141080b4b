//! Operations of the audit trail.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use server_shared::{
    ApiError,
    http::{Accepted, Body, Paging, page::PageSize},
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
    /// For Core only. Answers once every event with the result `accepted` is durable. An event with an id that is
    /// already stored gets the result `duplicate` and changes nothing, so a batch whose answer was lost can be sent
    /// again unchanged.
    #[oai(path = "/ingest", method = "post", operation_id = "audit_ingest")]
    async fn audit_ingest(&self, _core: Service, body: Body<AuditBatch>) -> Result<Accepted<AuditReceipt>, ApiError> {
        Ok(Accepted(self.audit.ingest(body.0).await?))
    }

    /// List the audit trail
    ///
    /// For administrators of the organization and superadmins. Lists the newest entries first. There is another
    /// page as long as `meta.next_cursor` is present; entries that arrive meanwhile do not shift the pages. Each
    /// search adds an entry to the trail, which lists the ids of its results in `entity_ids`.
    #[oai(path = "/logs", method = "get", operation_id = "audit_log_list")]
    #[allow(clippy::too_many_arguments, reason = "one argument a query parameter")]
    async fn audit_log_list(
        &self,
        person: Person,
        trace: Trace,
        /// Only events at this time or later. Answers 400 `invalid_range` unless it is before `to`.
        from: Query<Option<DateTime<Utc>>>,
        /// Only events before this time.
        to: Query<Option<DateTime<Utc>>>,
        /// Only events of this user.
        #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
        actor_user_id: Query<Option<i64>>,
        /// Only events with this action, e.g. `updated`.
        action: Query<Option<Word>>,
        /// Only events of this entity type, e.g. `appointment`.
        entity_type: Query<Option<Word>>,
        /// Only events of the entity with this id; ids are unique only within an entity type.
        entity_id: Query<Option<Identifier>>,
        /// Only events of the request with this id.
        request_id: Query<Option<Identifier>>,
        /// Only events of requests that carried this id in `X-Request-Id`.
        client_request_id: Query<Option<Uuid>>,
        /// Only events of this organization. For superadmins, who otherwise see all organizations; administrators
        /// see only their own.
        #[oai(validator(minimum(value = "0"), maximum(value = "9007199254740991")))]
        organization_id: Query<Option<i64>>,
        /// `meta.next_cursor` of the previous page.
        cursor: Query<Option<Uuid>>,
        /// Maximum number of entries on a page.
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
    /// For administrators of the organization and superadmins. Each reading adds an entry to the trail.
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
