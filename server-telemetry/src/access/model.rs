//! Revocations of tokens.

use chrono::{DateTime, Utc};
use poem_openapi::{Object, types::Example};
use server_shared::value::Moment;

/// Revocation of a user's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object)]
#[oai(example, deny_unknown_fields, skip_serializing_if_is_none)]
pub(crate) struct NewAccessRevocation {
    /// Id of the user in Core.
    #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
    pub user_id: i64,
    /// Organization whose tokens are revoked. If left out, tokens for every organization and tokens without one are
    /// revoked.
    #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
    pub organization_id: Option<i64>,
    /// Tokens issued before this time are refused; those issued at it or later are not. It is a time by Core's
    /// clock, which also dates the tokens, and at most five minutes ahead.
    pub not_before: Moment,
}

impl Example for NewAccessRevocation {
    fn example() -> Self {
        Self { user_id: 4711, organization_id: Some(3), not_before: Moment::nearest(moment()) }
    }
}

/// Stored revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct AccessRevocation {
    /// Id of the user in Core.
    pub user_id: i64,
    /// Organization whose tokens are revoked; absent if it is all tokens of the user.
    pub organization_id: Option<i64>,
    /// Tokens issued before this time are refused. It is the latest time that Core ever sent.
    pub not_before: DateTime<Utc>,
    /// Time at which the revocation is deleted, because every token that it affects has expired.
    pub expires_at: DateTime<Utc>,
}

impl Example for AccessRevocation {
    fn example() -> Self {
        let NewAccessRevocation { user_id, organization_id, not_before } = Example::example();
        let not_before = not_before.get();
        Self { user_id, organization_id, not_before, expires_at: not_before + super::TOKEN_AGE }
    }
}

fn moment() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_762_765_200_250_000).unwrap_or_default()
}
