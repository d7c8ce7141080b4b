use poem_openapi::{OpenApi, payload::Json};
use server_shared::{
    ApiError,
    http::{Body, Created},
};

use super::model::{Me, SwitchOrganization};
use crate::{
    domain::{
        Tag, invitation,
        user::{self, TelemetryToken},
    },
    identity::Person,
};

/// `/v1/me`
pub(crate) struct Api {
    pub(crate) users: user::Service,
    pub(crate) invitations: invitation::Service,
}

#[OpenApi(tag = "Tag::Identity")]
impl Api {
    /// Get the caller's account
    ///
    /// Returns every membership, the role and permissions in the organization of the request, and open invitations.
    #[oai(path = "/v1/me", method = "get", operation_id = "me_get")]
    async fn me_get(&self, caller: Person) -> Result<Json<Me>, ApiError> {
        let invitations = self.invitations.of(&caller).await?;
        Ok(Json(Me::of(&caller, invitations)))
    }

    /// Switch to another organization
    ///
    /// Makes this organization the caller's current one, to which requests without `X-Organization-Id` go. Answers 403
    /// `not_a_member` if the caller is not a member of it.
    #[oai(path = "/v1/me/switch-organization", method = "put", operation_id = "me_organization_switch")]
    async fn me_organization_switch(
        &self,
        caller: Person,
        body: Body<SwitchOrganization>,
    ) -> Result<Json<Me>, ApiError> {
        caller.in_person()?;
        let invitations = self.invitations.of(&caller).await?;
        let switched = self.users.switch(&caller, body.organization_id).await?;
        Ok(Json(Me::of(&switched, invitations)))
    }

    /// Get a token for Telemetry
    ///
    /// Returns a token that is valid for ten minutes, for the caller in the organization of the request. It is revoked
    /// when the caller's role there changes. Answers 403 `impersonation_not_allowed` during an impersonation.
    #[oai(path = "/v1/me/telemetry-token", method = "post", operation_id = "me_telemetry_token_create")]
    async fn me_telemetry_token_create(&self, caller: Person) -> Result<Created<TelemetryToken>, ApiError> {
        caller.in_person()?;
        Ok(Created(self.users.telemetry_token(&caller, caller.organization()?).await?))
    }
}
