//! The operation on revocations.

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
    /// Refuse tokens that were issued before a moment
    ///
    /// For Core only: when a person left an organization or has another role in it, when a session ended,
    /// and when an account was closed. From the answer on this process refuses such a token with 401
    /// `token_revoked` whatever it asks for, and every other one within a second. Asked again with an
    /// earlier moment, the later one stands.
    #[oai(path = "/revocations", method = "post", operation_id = "access_revocation_create")]
    async fn access_revocation_create(
        &self,
        _core: Service,
        body: Body<NewAccessRevocation>,
    ) -> Result<Created<AccessRevocation>, ApiError> {
        Ok(Created(self.access.revoke(&body).await?))
    }
}
