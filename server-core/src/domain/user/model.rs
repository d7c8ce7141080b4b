use chrono::{DateTime, Utc};
use poem_openapi::{Object, types::Example};
use serde::Serialize;
use server_shared::mark::ShownOnce;

use crate::{identity::Role, ids::OrganizationId};

/// One organization the user belongs to.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct MyMembership {
    /// Id of the organization.
    pub(crate) organization_id: OrganizationId,
    /// What it is called.
    pub(crate) organization_name: String,
    /// Its name in links.
    pub(crate) organization_slug: String,
    /// Role of the user in it.
    pub(crate) role: Role,
}

impl Example for MyMembership {
    fn example() -> Self {
        Self {
            organization_id: OrganizationId(1),
            organization_name: "Riverside Rehabilitation".to_owned(),
            organization_slug: "riverside-rehabilitation".to_owned(),
            role: Role::Staff,
        }
    }
}

/// What the identity provider says of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    /// The user, as the identity provider calls it.
    pub(crate) clerk_id: String,
    /// Name that the user goes by.
    pub(crate) name: String,
    /// The address that it proved to own.
    pub(crate) email: Option<String>,
}

/// When the identity provider saw something. Of two of one time, the one with the greater id counts as
/// the later, so that every process and every order of arrival agree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment {
    /// The time.
    pub(crate) at: DateTime<Utc>,
    /// The message that tells of it.
    pub(crate) id: String,
}

/// A token that Telemetry accepts.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct TelemetryToken {
    /// To be sent to Telemetry as `Authorization: Bearer …`.
    pub(crate) token: ShownOnce<String>,
    /// When it stops being accepted.
    pub(crate) expires_at: DateTime<Utc>,
}

impl Example for TelemetryToken {
    fn example() -> Self {
        Self {
            token: ShownOnce::new("eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl".to_owned()),
            expires_at: DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_500),
        }
    }
}

/// What a telemetry token says; times in seconds since 1970.
#[derive(Debug, Serialize)]
pub(super) struct TelemetryClaims {
    pub(super) iss: &'static str,
    pub(super) aud: &'static str,
    pub(super) sub: String,
    pub(super) org: i64,
    pub(super) role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) patient_id: Option<i64>,
    /// In fractions of a second: what is revoked is told from what was issued a moment later.
    pub(super) iat: f64,
    pub(super) nbf: i64,
    pub(super) exp: i64,
    pub(super) jti: String,
}
