use poem_openapi::{OpenApi, param::Path, payload::Json};
use server_shared::{ApiError, http::Body};

use super::{
    Service,
    model::{OrganizationSettings, UpdateOrganizationSettings},
};
use crate::{
    domain::Tag,
    identity::{Permission, Person},
    ids::OrganizationId,
};

/// `/v1/organizations/{organization_id}/settings`
pub(crate) struct Api {
    pub(crate) settings: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Organizations")]
impl Api {
    /// Get the settings of an organization
    ///
    /// Permitted to members of the organization. A setting that was never changed has its default.
    #[oai(
        path = "/organizations/:organization_id/settings",
        method = "get",
        operation_id = "organization_settings_get"
    )]
    async fn organization_settings_get(
        &self,
        caller: Person,
        /// Id of the organization, which is also the organization of the request.
        organization_id: Path<OrganizationId>,
    ) -> Result<Json<OrganizationSettings>, ApiError> {
        caller.may(Permission::OrganizationRead)?;
        Ok(Json(self.settings.get(&caller, organization_id.0).await?))
    }

    /// Replace the settings of an organization
    ///
    /// Permitted to administrators of the organization. A setting that is left out gets its default. Takes effect with
    /// the next request. Answers 409 `stale_version` if somebody else changed the settings in the meantime.
    #[oai(
        path = "/organizations/:organization_id/settings",
        method = "put",
        operation_id = "organization_settings_update"
    )]
    async fn organization_settings_update(
        &self,
        caller: Person,
        /// Id of the organization, which is also the organization of the request.
        organization_id: Path<OrganizationId>,
        body: Body<UpdateOrganizationSettings>,
    ) -> Result<Json<OrganizationSettings>, ApiError> {
        caller.may(Permission::OrganizationUpdate)?;
        Ok(Json(self.settings.update(&caller, organization_id.0, &body).await?))
    }
}
