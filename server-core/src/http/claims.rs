//! Claims of session tokens.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

/// Claims of a session token that are used here; the verifier checks issuer, times and the rest.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct SessionClaims {
    /// Id of the user at the identity provider.
    pub(super) sub: String,
    /// Id of the session.
    pub(super) sid: String,
    /// Time at which the token was issued, in seconds since 1970.
    #[serde(default)]
    iat: Value,
    /// Minutes that had passed then since the verification of the first and the second factor; −1 for a factor that was
    /// not verified.
    #[serde(default)]
    fva: Value,
}

impl SessionClaims {
    /// Returns the time at which the user last proved its identity, by whichever factor, rounded as the provider does;
    /// `None` if the token does not tell.
    pub(super) fn authenticated_at(&self) -> Option<DateTime<Utc>> {
        let ages = self.fva.as_array()?.iter().filter_map(Value::as_i64);
        let minutes = ages.filter(|minutes| *minutes >= 0).min()?;
        let issued = self.iat.as_i64()?;
        DateTime::from_timestamp(issued.checked_sub(minutes.checked_mul(60)?)?, 0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn authenticated_at(more: &Value) -> Option<i64> {
        let mut claims = json!({ "sub": "user_1", "sid": "sess_1", "iat": 10_000 });
        for (name, value) in more.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        let claims: SessionClaims = serde_json::from_value(claims).unwrap();
        claims.authenticated_at().map(|at| at.timestamp())
    }

    #[test]
    fn the_latest_factor_tells_when_the_user_authenticated() {
        assert_eq!(authenticated_at(&json!({ "fva": [7, -1] })), Some(10_000 - 420));
        assert_eq!(authenticated_at(&json!({ "fva": [7, 2] })), Some(10_000 - 120));
        assert_eq!(authenticated_at(&json!({ "fva": [0, -1] })), Some(10_000));
    }

    #[test]
    fn a_token_that_does_not_tell_is_good_all_the_same() {
        for claims in [
            json!({}),
            json!({ "fva": null }),
            json!({ "fva": [-1, -1] }),
            json!({ "fva": [] }),
            json!({ "fva": "7" }),
            json!({ "fva": ["7"] }),
            json!({ "fva": [i64::MAX, -1] }),
            json!({ "fva": [7, -1], "iat": "now" }),
        ] {
            assert_eq!(authenticated_at(&claims), None, "{claims}");
        }
    }
}
