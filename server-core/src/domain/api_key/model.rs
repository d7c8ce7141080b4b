use chrono::{DateTime, Utc};
use poem_openapi::{Object, types::Example};
use server_shared::{mark::ShownOnce, value::Name};

use crate::{
    identity::Scope,
    ids::{ApiKeyId, UserId},
};

/// A key with which a clinic's programs call. Its secret is known to whoever was shown it.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct ApiKey {
    /// Its id.
    pub(crate) id: ApiKeyId,
    /// What it is for.
    pub(crate) name: String,
    /// How its secret begins, to tell keys apart.
    pub(crate) prefix: String,
    /// What it may be used for.
    pub(crate) scopes: Vec<Scope>,
    /// Who created it; absent when that user is gone.
    pub(crate) created_by: Option<UserId>,
    /// When it stops being accepted; absent if never.
    pub(crate) expires_at: Option<DateTime<Utc>>,
    /// Until when the secret before the last rotation is accepted too; absent when there is none.
    pub(crate) previous_expires_at: Option<DateTime<Utc>>,
    /// When it was revoked; absent while it is in use.
    pub(crate) revoked_at: Option<DateTime<Utc>>,
    /// When it was last used, to the minute; absent if never.
    pub(crate) last_used_at: Option<DateTime<Utc>>,
    /// When it was created.
    pub(crate) created_at: DateTime<Utc>,
    /// When it last changed.
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

/// A key with its secret.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct ApiKeySecret {
    /// The key.
    pub(crate) api_key: ApiKey,
    /// Its secret, to be sent as `X-Api-Key`. This is the only time it is shown.
    pub(crate) secret: ShownOnce<String>,
}

impl Example for ApiKeySecret {
    fn example() -> Self {
        let secret = ShownOnce::new("rxkey_h3Kd8QzAexampleexampleexampleexampleexample".to_owned());
        Self { api_key: ApiKey::example(), secret }
    }
}

/// What a key is created from.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct CreateApiKey {
    /// What it is for.
    pub(crate) name: Name<100>,
    /// What it may be used for.
    #[oai(validator(min_items = 1, max_items = 16))]
    pub(crate) scopes: Vec<Scope>,
    /// When it stops being accepted, at most two years from now; never when left out.
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

impl Example for CreateApiKey {
    fn example() -> Self {
        let ApiKey { scopes, .. } = ApiKey::example();
        Self { name: Name::from_static("Booking page"), scopes, expires_at: None }
    }
}
