//! Operation with which Core sends settings of organizations.

use std::sync::Arc;

use poem_openapi::{OpenApi, param::Path, payload::Json};
use server_shared::{ApiError, http::Body};

use super::{
    OrganizationService,
    model::{NewOrganizationSettings, OrganizationSettings},
};
use crate::{identity::Service, ingest::Tag};

/// Operations under `/v1/organizations`.
pub(crate) struct OrganizationApi {
    pub organizations: Arc<OrganizationService>,
}

#[OpenApi(prefix_path = "/v1/organizations", tag = "Tag::Organizations")]
impl OrganizationApi {
    /// Store the settings of an organization
    ///
    /// Permitted to Core only. A revision that is not later than the stored one changes nothing. Returns the stored
    /// settings.
    #[oai(path = "/:organization_id/settings", method = "put", operation_id = "organization_settings_put")]
    async fn organization_settings_put(
        &self,
        _core: Service,
        /// Id of the organization in Core.
        #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
        organization_id: Path<i64>,
        body: Body<NewOrganizationSettings>,
    ) -> Result<Json<OrganizationSettings>, ApiError> {
        Ok(Json(self.organizations.settings_put(organization_id.0, body.0).await?))
    }
}
