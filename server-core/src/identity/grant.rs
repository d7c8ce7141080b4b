//! Grant of an API key: its organization, scopes and expiry.

use chrono::{DateTime, Utc};

use super::Scope;
use crate::ids::{ApiKeyId, OrganizationId};

/// API key with its organization, scopes and expiry.
#[derive(Debug)]
pub(crate) struct ApiKeyGrant {
    /// Id of the key.
    pub(crate) id: ApiKeyId,
    /// Organization of the key, the only one in which it is valid.
    pub(crate) organization: OrganizationId,
    /// Scopes of the key.
    pub(crate) scopes: Vec<Scope>,
    /// Time until which the presented secret is valid; `None` for no end.
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

impl ApiKeyGrant {
    /// Returns true until the secret expires.
    pub(crate) fn is_good(&self) -> bool {
        self.expires_at.is_none_or(|end| end > Utc::now())
    }
}
