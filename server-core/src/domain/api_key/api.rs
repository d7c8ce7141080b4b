use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use server_shared::{
    ApiError,
    http::{
        Body, Created, NoContent, Page, Paging,
        page::{PageNumber, PageSize},
    },
};

use super::{
    Service,
    model::{ApiKey, ApiKeySecret, CreateApiKey},
};
use crate::{
    domain::Tag,
    identity::{Permission, Person},
    ids::{ApiKeyId, OrganizationId},
};

/// `/v1/organizations/{organization_id}/api-keys`
pub(crate) struct Api {
    pub(crate) api_keys: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::ApiKeys")]
impl Api {
    /// List API keys
    ///
    /// Returns the newest first, including revoked keys, without their secrets.
    #[oai(path = "/organizations/:organization_id/api-keys", method = "get", operation_id = "api_key_list")]
    async fn api_key_list(
        &self,
        caller: Person,
        /// Id of the organization, which is also the organization of the request.
        organization_id: Path<OrganizationId>,
        /// Number of the page, from 1; 1 if left out.
        page: Query<Option<PageNumber>>,
        /// Maximum number of entries on a page, at most 100; 25 if left out.
        page_size: Query<Option<PageSize>>,
    ) -> Result<Json<Page<ApiKey>>, ApiError> {
        caller.may(Permission::ApiKeyManage)?;
        Ok(Json(self.api_keys.list(&caller, organization_id.0, Paging::new(page.0, page_size.0)).await?))
    }

    /// Create an API key
    ///
    /// Returns the secret, which is shown only once. Each scope gives the key the permissions of the role `staff` in
    /// one area.
    #[oai(path = "/organizations/:organization_id/api-keys", method = "post", operation_id = "api_key_create")]
    async fn api_key_create(
        &self,
        caller: Person,
        /// Id of the organization, which is also the organization of the request.
        organization_id: Path<OrganizationId>,
        body: Body<CreateApiKey>,
    ) -> Result<Created<ApiKeySecret>, ApiError> {
        caller.may(Permission::ApiKeyManage)?;
        Ok(Created(self.api_keys.create(&caller, organization_id.0, &body).await?))
    }

    /// Revoke an API key
    ///
    /// Revokes the key: requests with its current or previous secret are refused from then on. A repeated request has
    /// no further effect.
    #[oai(
        path = "/organizations/:organization_id/api-keys/:api_key_id",
        method = "delete",
        operation_id = "api_key_delete"
    )]
    async fn api_key_delete(
        &self,
        caller: Person,
        /// Id of the organization, which is also the organization of the request.
        organization_id: Path<OrganizationId>,
        /// Id of the key.
        api_key_id: Path<ApiKeyId>,
    ) -> Result<NoContent, ApiError> {
        caller.may(Permission::ApiKeyManage)?;
        self.api_keys.revoke(&caller, organization_id.0, api_key_id.0).await?;
        Ok(NoContent)
    }

    /// Rotate the secret of an API key
    ///
    /// Returns the new secret, which is shown only once. The current secret is accepted for another 24 hours; the
    /// previous one is refused immediately. Answers 409 `api_key_revoked` for a revoked key.
    #[oai(
        path = "/organizations/:organization_id/api-keys/:api_key_id/rotate",
        method = "post",
        operation_id = "api_key_rotate"
    )]
    async fn api_key_rotate(
        &self,
        caller: Person,
        /// Id of the organization, which is also the organization of the request.
        organization_id: Path<OrganizationId>,
        /// Id of the key.
        api_key_id: Path<ApiKeyId>,
    ) -> Result<Created<ApiKeySecret>, ApiError> {
        caller.may(Permission::ApiKeyManage)?;
        Ok(Created(self.api_keys.rotate(&caller, organization_id.0, api_key_id.0).await?))
    }
}
