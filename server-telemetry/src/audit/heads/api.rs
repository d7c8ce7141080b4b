//! Operations on signed heads.

use std::sync::Arc;

use poem_openapi::{OpenApi, param::Query, payload::Json, types::Any};
use server_shared::{
    ApiError,
    http::{Paging, page::PageSize},
};

use super::{
    model::{AuditHeadList, KeySet},
    service::HeadService,
};
use crate::{
    audit::reading::Reader,
    identity::{Person, Trace},
    ingest::Tag,
    text::HeadCursor,
};

/// Operations `/v1/audit/heads` and `/.well-known/jwks.json`.
pub(crate) struct HeadApi {
    pub heads: Arc<HeadService>,
}

#[OpenApi(tag = "Tag::Audit")]
impl HeadApi {
    /// List the signed heads of the audit trail
    ///
    /// Permitted to administrators of the organization and to superadmins. Returns the newest heads first. A head is
    /// the signed last link of an organization's hash chain on one day (UTC); every past day with entries has one. Keep
    /// a copy outside the platform: it proves later whether the end of the chain was cut off or the chain was
    /// rewritten. `audit_verify` compares the chain with the heads that are stored here.
    #[oai(path = "/v1/audit/heads", method = "get", operation_id = "audit_head_list")]
    async fn audit_head_list(
        &self,
        person: Person,
        trace: Trace,
        /// Selects heads of this organization. If left out, superadmins get the heads of all organizations,
        /// administrators those of their own. Answers 404 `organization_not_found` to administrators who name another
        /// one.
        #[oai(validator(minimum(value = "0"), maximum(value = "9007199254740991")))]
        organization_id: Query<Option<i64>>,
        /// Position of the page: `meta.next_cursor` of the previous one. The first page if left out.
        cursor: Query<Option<HeadCursor>>,
        /// Maximum number of heads on a page, at most 100; 25 if left out.
        page_size: Query<Option<PageSize>>,
    ) -> Result<Json<AuditHeadList>, ApiError> {
        person.must_administrate()?;
        let paging = Paging::new(None, page_size.0);
        let reader = Reader { person, trace };
        Ok(Json(self.heads.list(&reader, organization_id.0, cursor.0.as_ref(), paging).await?))
    }

    /// Get the public keys of signed heads
    ///
    /// Returns a JSON Web Key Set, with which anybody can verify a `statement` of `audit_head_list`.
    #[oai(path = "/.well-known/jwks.json", method = "get", operation_id = "jwks_get")]
    async fn jwks_get(&self) -> Result<Json<KeySet>, ApiError> {
        Ok(Json(KeySet { keys: self.heads.keys().into_iter().map(Any).collect() }))
    }
}
