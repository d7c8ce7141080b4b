//! The grant of an API key: its organization, scopes and end.

use chrono::{DateTime, Utc};

use super::Scope;
use crate::ids::{ApiKeyId, OrganizationId};

/// An API key, and what it allows.
#[derive(Debug)]
pub(crate) struct ApiKeyGrant {
    /// The key.
    pub(crate) id: ApiKeyId,
    /// The organization it belongs to; it is good nowhere else.
    pub(crate) organization: OrganizationId,
    /// Scopes that it was given.
    pub(crate) scopes: Vec<Scope>,
    /// End of the time in which the secret that was sent is good; `None` for no end.
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

impl ApiKeyGrant {
    /// Returns true until it expires.
    pub(crate) fn is_good(&self) -> bool {
        self.expires_at.is_none_or(|end| end > Utc::now())
    }
}
