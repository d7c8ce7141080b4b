//! The operations on signed heads.

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

/// The operations `/v1/audit/heads` and `/.well-known/jwks.json`.
pub(crate) struct HeadApi {
    pub heads: Arc<HeadService>,
}

#[OpenApi(tag = "Tag::Audit")]
impl HeadApi {
    /// List the signed heads of the audit trail
    ///
    /// For administrators of the organization, and superadmins. Newest first: for each organization and
    /// day (UTC) that is over and had entries, the last link of its hash chain, signed. Keep them
    /// elsewhere; `audit_verify` compares the chain with those that are here.
    #[oai(path = "/v1/audit/heads", method = "get", operation_id = "audit_head_list")]
    async fn audit_head_list(
        &self,
        person: Person,
        trace: Trace,
        /// Only this organization: for superadmins, who otherwise see all of them. Others are always
        /// held to their own.
        #[oai(validator(minimum(value = "0"), maximum(value = "9007199254740991")))]
        organization_id: Query<Option<i64>>,
        /// `meta.next_cursor` of the page before.
        cursor: Query<Option<HeadCursor>>,
        /// Heads a page holds at most.
        page_size: Query<Option<PageSize>>,
    ) -> Result<Json<AuditHeadList>, ApiError> {
        person.must_administrate()?;
        let paging = Paging::new(None, page_size.0);
        let reader = Reader { person, trace };
        Ok(Json(self.heads.list(&reader, organization_id.0, cursor.0.as_ref(), paging).await?))
    }

    /// Get the keys that heads of the audit trail are signed with
    ///
    /// A JSON Web Key Set, by which anybody can check a statement of `audit_head_list`.
    #[oai(path = "/.well-known/jwks.json", method = "get", operation_id = "jwks_get")]
    async fn jwks_get(&self) -> Result<Json<KeySet>, ApiError> {
        Ok(Json(KeySet { keys: self.heads.keys().into_iter().map(Any).collect() }))
    }
}
