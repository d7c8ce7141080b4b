//! Operation on revocations.

use std::sync::Arc;

use poem_openapi::OpenApi;
use server_shared::{
    ApiError,
    http::{Body, Created},
};

use super::{
    AccessService,
    model::{AccessRevocation, NewAccessRevocation},
};
use crate::{identity::Service, ingest::Tag};

/// Operations under `/v1/access`.
pub(crate) struct AccessApi {
    pub access: Arc<AccessService>,
}

#[OpenApi(prefix_path = "/v1/access", tag = "Tag::Access")]
impl AccessApi {
    /// Revoke the tokens that were issued before a time
    ///
    /// Permitted to Core only. Core sends a revocation when a person leaves an organization or gets another role in it,
    /// when a session ends, and when an account is closed. From the answer on, this process refuses the revoked tokens
    /// with 401 `token_revoked` in every operation; all other processes do so within a second. A request with an
    /// earlier time than the stored one changes nothing; the answer contains the stored time.
    #[oai(path = "/revocations", method = "post", operation_id = "access_revocation_create")]
    async fn access_revocation_create(
        &self,
        _core: Service,
        body: Body<NewAccessRevocation>,
    ) -> Result<Created<AccessRevocation>, ApiError> {
        Ok(Created(self.access.revoke(&body).await?))
    }
}
