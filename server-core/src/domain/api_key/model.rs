use chrono::{DateTime, Utc};
use poem_openapi::{Object, types::Example};
use server_shared::{
    mark::ShownOnce,
    value::{Moment, Name},
};

use crate::{
    identity::Scope,
    ids::{ApiKeyId, UserId},
};

/// API key, with which programs of an organization call the API. Only a hash of its secret is stored.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct ApiKey {
    /// Id of the key.
    pub(crate) id: ApiKeyId,
    /// Name that describes the purpose of the key.
    pub(crate) name: String,
    /// First characters of the secret, to tell keys apart.
    pub(crate) prefix: String,
    /// Scopes of the key.
    pub(crate) scopes: Vec<Scope>,
    /// Id of the user who created the key; absent if that user was erased.
    pub(crate) created_by: Option<UserId>,
    /// Time at which the key expires; absent if it does not expire.
    pub(crate) expires_at: Option<DateTime<Utc>>,
    /// Time until which the previous secret is accepted besides the current one; absent if there is no previous secret.
    pub(crate) previous_expires_at: Option<DateTime<Utc>>,
    /// Time at which the key was revoked; absent if it is not revoked.
    pub(crate) revoked_at: Option<DateTime<Utc>>,
    /// Time of the last use, to the minute; absent if the key was never used.
    pub(crate) last_used_at: Option<DateTime<Utc>>,
    /// Time at which the key was created.
    pub(crate) created_at: DateTime<Utc>,
    /// Time of the last change.
    pub(crate) updated_at: DateTime<Utc>,
}

impl Example for ApiKey {
    fn example() -> Self {
        let created_at = DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_500);
        Self {
            id: ApiKeyId(4),
            name: "Booking page".to_owned(),
            prefix: "rxkey_h3Kd8QzA".to_owned(),
            scopes: vec![Scope::AppointmentsRead, Scope::AppointmentsWrite],
            created_by: Some(UserId(12)),
            expires_at: Some(created_at + chrono::TimeDelta::days(365)),
            previous_expires_at: None,
            revoked_at: None,
            last_used_at: None,
            created_at,
            updated_at: created_at,
        }
    }
}

/// API key with its secret.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct ApiKeySecret {
    /// API key.
    pub(crate) api_key: ApiKey,
    /// Secret, to be sent as `X-Api-Key`. It is shown only once.
    pub(crate) secret: ShownOnce<String>,
}

impl Example for ApiKeySecret {
    fn example() -> Self {
        let secret = ShownOnce::new("rxkey_h3Kd8QzAexampleexampleexampleexampleexample".to_owned());
        Self { api_key: ApiKey::example(), secret }
    }
}

/// New API key.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct CreateApiKey {
    /// Name that describes the purpose of the key.
    pub(crate) name: Name<100>,
    /// Scopes of the key.
    #[oai(validator(min_items = 1, max_items = 16))]
    pub(crate) scopes: Vec<Scope>,
    /// Time at which the key expires, at most two years from now. If left out, the key does not expire.
    pub(crate) expires_at: Option<Moment>,
}

impl Example for CreateApiKey {
    fn example() -> Self {
        let ApiKey { scopes, .. } = ApiKey::example();
        Self { name: Name::from_static("Booking page"), scopes, expires_at: None }
    }
}
