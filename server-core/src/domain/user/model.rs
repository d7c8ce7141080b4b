use chrono::{DateTime, Utc};
use poem_openapi::{Object, types::Example};
use serde::Serialize;
use server_shared::mark::ShownOnce;

use crate::{identity::Role, ids::OrganizationId};

/// Membership of a user in an organization.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct MyMembership {
    /// Id of the organization.
    pub(crate) organization_id: OrganizationId,
    /// Name of the organization.
    pub(crate) organization_name: String,
    /// Slug of the organization.
    pub(crate) organization_slug: String,
    /// Role of the user in the organization.
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

/// Profile of a user at the identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    /// Id of the user at the identity provider.
    pub(crate) clerk_id: String,
    /// Display name of the user.
    pub(crate) name: String,
    /// Verified e-mail address of the user.
    pub(crate) email: Option<String>,
}

/// Position of an event in the order of the identity provider's events. Of two events with the same time, the one with
/// the greater id is the later, so that every process and every order of arrival agree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EventTime {
    /// Time of the event.
    pub(crate) at: DateTime<Utc>,
    /// Id of the message.
    pub(crate) id: String,
}

/// Token that Telemetry accepts.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct TelemetryToken {
    /// Token, to be sent to Telemetry as `Authorization: Bearer …`.
    pub(crate) token: ShownOnce<String>,
    /// Time at which the token expires.
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

/// Claims of a telemetry token; times are in seconds since 1970.
#[derive(Debug, Serialize)]
pub(super) struct TelemetryClaims {
    pub(super) iss: &'static str,
    pub(super) aud: &'static str,
    pub(super) sub: String,
    pub(super) org: i64,
    pub(super) role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) patient_id: Option<i64>,
    /// With fractions of a second, to tell revoked tokens from those issued just after the revocation.
    pub(super) iat: f64,
    pub(super) nbf: i64,
    pub(super) exp: i64,
    pub(super) jti: String,
}
