//! Revocations of tokens.

use chrono::{DateTime, Utc};
use poem_openapi::{Object, types::Example};

/// Revocation of a user's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object)]
#[oai(example, deny_unknown_fields, skip_serializing_if_is_none)]
pub(crate) struct NewAccessRevocation {
    /// The user's id in Core.
    #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
    pub user_id: i64,
    /// Only the tokens for this organization; those for every organization, and for none, when left out.
    #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
    pub organization_id: Option<i64>,
    /// Tokens issued before are refused, those issued at it or later are not. By Core's clock, which also dates
    /// its tokens; at most five minutes ahead.
    pub not_before: DateTime<Utc>,
}

impl Example for NewAccessRevocation {
    fn example() -> Self {
        Self { user_id: 4711, organization_id: Some(3), not_before: moment() }
    }
}

/// A revocation as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct AccessRevocation {
    /// The user's id in Core.
    pub user_id: i64,
    /// Of the tokens for which organization; of all of them when left out.
    pub organization_id: Option<i64>,
    /// Tokens issued before are refused: the latest moment that was ever asked for.
    pub not_before: DateTime<Utc>,
    /// When it is forgotten, because every token that it is about has expired.
    pub expires_at: DateTime<Utc>,
}

impl Example for AccessRevocation {
    fn example() -> Self {
        let NewAccessRevocation { user_id, organization_id, not_before } = Example::example();
        Self { user_id, organization_id, not_before, expires_at: not_before + super::TOKEN_AGE }
    }
}

fn moment() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_762_765_200_250_000).unwrap_or_default()
}
