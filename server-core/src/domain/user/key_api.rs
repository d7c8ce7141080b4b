use poem_openapi::{
    Object, OpenApi,
    payload::Json,
    types::{Any, Example},
};
use serde_json::Value;
use server_shared::ApiError;

use super::Service;
use crate::domain::Tag;

/// `/.well-known/jwks.json`
pub(crate) struct KeyApi {
    pub(crate) users: Service,
}

/// JSON Web Key Set (RFC 7517).
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct KeySet {
    /// Ed25519 keys in the form of RFC 8037.
    keys: Vec<Any<Value>>,
}

impl Example for KeySet {
    fn example() -> Self {
        let key = serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "kid": "0f1e2d3c4b5a6978", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
        Self { keys: vec![Any(key)] }
    }
}

#[OpenApi(tag = "Tag::Identity")]
impl KeyApi {
    /// Get the public keys of telemetry tokens
    ///
    /// Returns a JSON Web Key Set with which Telemetry and other services verify such tokens.
    #[oai(path = "/.well-known/jwks.json", method = "get", operation_id = "jwks_get")]
    async fn jwks_get(&self) -> Result<Json<KeySet>, ApiError> {
        let set = self.users.key_set();
        let keys = set["keys"].as_array().cloned().unwrap_or_default();
        Ok(Json(KeySet { keys: keys.into_iter().map(Any).collect() }))
    }
}
