use poem_openapi::{
    Object, OpenApi,
    payload::Json,
    types::{Any, Example},
};
use serde_json::Value;
use server_shared::{
    ApiError,
    http::{Body, Created},
};

use super::{
    Service,
    model::{Me, SwitchOrganization, TelemetryToken},
};
use crate::{
    domain::{Tag, invitation},
    identity::Person,
};

/// `/v1/me` and what proves who Core vouches for.
pub(crate) struct Api {
    pub(crate) users: Service,
    pub(crate) invitations: invitation::Service,
}

/// A JSON Web Key Set (RFC 7517).
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct KeySet {
    /// The keys, as RFC 8037 writes Ed25519 keys.
    keys: Vec<Any<Value>>,
}

impl Example for KeySet {
    fn example() -> Self {
        let key = serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "kid": "0f1e2d3c4b5a6978", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
        Self { keys: vec![Any(key)] }
    }
}

#[OpenApi(tag = "Tag::Identity")]
impl Api {
    /// Get the keys that telemetry tokens are signed with
    ///
    /// A JSON Web Key Set for Telemetry and for whoever else has to verify such tokens.
    #[oai(path = "/.well-known/jwks.json", method = "get", operation_id = "jwks_get")]
    async fn jwks_get(&self) -> Result<Json<KeySet>, ApiError> {
        let set = self.users.key_set();
        let keys = set["keys"].as_array().cloned().unwrap_or_default();
        Ok(Json(KeySet { keys: keys.into_iter().map(Any).collect() }))
    }

    /// Say who the caller is
    ///
    /// With every membership, the role and permissions in the organization of the request, and what the caller is
    /// invited to.
    #[oai(path = "/v1/me", method = "get", operation_id = "me_get")]
    async fn me_get(&self, caller: Person) -> Result<Json<Me>, ApiError> {
        let invitations = self.invitations.of(&caller).await?;
        Ok(Json(Me::of(&caller, invitations)))
    }

    /// Work in another organization from now on
    ///
    /// Requests that name no organization go to it. 403 `not_a_member` for one the caller doesn't
    /// belong to.
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
    /// Good for ten minutes, for the caller in the organization of the request, and no longer than the caller is
    /// there what it is now. There is none while acting as somebody else.
    #[oai(path = "/v1/me/telemetry-token", method = "post", operation_id = "me_telemetry_token_create")]
    async fn me_telemetry_token_create(&self, caller: Person) -> Result<Created<TelemetryToken>, ApiError> {
        caller.in_person()?;
        Ok(Created(self.users.telemetry_token(&caller, caller.organization()?).await?))
    }
}
