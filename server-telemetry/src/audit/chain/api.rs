//! The operation on a chain.

use std::sync::Arc;

use poem_openapi::{OpenApi, param::Query, payload::Json};
use server_shared::ApiError;

use super::{model::AuditVerification, service::ChainService};
use crate::{
    audit::reading::Reader,
    identity::{Person, Trace},
    ingest::Tag,
};

/// The operation `/v1/audit/verify`.
pub(crate) struct ChainApi {
    pub chains: Arc<ChainService>,
}

#[OpenApi(prefix_path = "/v1/audit", tag = "Tag::Audit")]
impl ChainApi {
    /// Verify the audit trail
    ///
    /// For administrators of the organization, and superadmins. Walks along the organization's hash
    /// chain, says up to where it is sealed and signed, and names the first thing that is wrong with
    /// it. A walk that would take too long is answered `complete: false`; go on from there with
    /// `after_position`. Verifying is itself an entry of the trail.
    #[oai(path = "/verify", method = "get", operation_id = "audit_verify")]
    async fn audit_verify(
        &self,
        person: Person,
        trace: Trace,
        /// Whose chain, for superadmins; without it that of the token's organization or, without one,
        /// of what belongs to none (0).
        #[oai(validator(minimum(value = "0"), maximum(value = "9007199254740991")))]
        organization_id: Query<Option<i64>>,
        /// Go on after this position: `verified_to` of the answer before.
        #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
        after_position: Query<Option<i64>>,
    ) -> Result<Json<AuditVerification>, ApiError> {
        person.must_administrate()?;
        let reader = Reader { person, trace };
        let organization = reader.organization(organization_id.0)?.or(person.organization_id).unwrap_or(0);
        Ok(Json(self.chains.verify(&reader, organization, after_position.0).await?))
    }
}
