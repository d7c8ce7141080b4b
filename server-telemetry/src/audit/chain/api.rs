//! Operation on a chain.

use std::sync::Arc;

use poem_openapi::{OpenApi, param::Query, payload::Json};
use server_shared::ApiError;

use super::{model::AuditVerification, service::ChainService};
use crate::{
    audit::reading::Reader,
    identity::{Person, Trace},
    ingest::Tag,
};

/// Operation `/v1/audit/verify`.
pub(crate) struct ChainApi {
    pub chains: Arc<ChainService>,
}

#[OpenApi(prefix_path = "/v1/audit", tag = "Tag::Audit")]
impl ChainApi {
    /// Verify the audit trail
    ///
    /// Permitted to administrators of the organization and to superadmins. Checks the organization's hash chain link by
    /// link, reports up to which link it is sealed and signed, and names the first fault. If the check would take too
    /// long, the answer has `complete: false`; continue with its `verified_to` as `after_position`. Each request adds
    /// an entry to the trail.
    #[oai(path = "/verify", method = "get", operation_id = "audit_verify")]
    async fn audit_verify(
        &self,
        person: Person,
        trace: Trace,
        /// Organization whose chain is verified. If left out, the organization of the token or, if the token has none,
        /// the chain of events that belong to no organization (0). Answers 404 `organization_not_found` to
        /// administrators who name another one.
        #[oai(validator(minimum(value = "0"), maximum(value = "9007199254740991")))]
        organization_id: Query<Option<i64>>,
        /// Position after which the check continues: `verified_to` of the previous answer.
        #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
        after_position: Query<Option<i64>>,
    ) -> Result<Json<AuditVerification>, ApiError> {
        person.must_administrate()?;
        let reader = Reader { person, trace };
        let organization = reader.organization(organization_id.0)?.or(person.organization_id).unwrap_or(0);
        Ok(Json(self.chains.verify(&reader, organization, after_position.0).await?))
    }
}
