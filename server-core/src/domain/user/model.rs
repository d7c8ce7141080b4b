use chrono::{DateTime, Utc};
use poem_openapi::{Object, types::Example};
use serde::Serialize;
use server_shared::mark::ShownOnce;

use crate::{
    domain::invitation::MyInvitation,
    identity::{Person, Role},
    ids::{OrganizationId, PatientId, SpecialistId, UserId},
};

/// The caller: who it is, where it belongs and what it may do.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct Me {
    /// The user's id.
    pub(crate) id: UserId,
    /// What to call the user.
    pub(crate) name: String,
    /// Whether the user runs the platform.
    pub(crate) superadmin: bool,
    /// Every organization the user belongs to, by name.
    pub(crate) memberships: Vec<MyMembership>,
    /// The organization of this request; absent for a person in none.
    pub(crate) organization_id: Option<OrganizationId>,
    /// What the user is in it.
    pub(crate) role: Option<Role>,
    /// What the user may do in it, e.g. `appointment_write`; there may be more names in a later version.
    pub(crate) permissions: Vec<String>,
    /// The user's own patient record in it.
    pub(crate) patient_id: Option<PatientId>,
    /// The user's own specialist record in it.
    pub(crate) specialist_id: Option<SpecialistId>,
    /// The user's open invitations from every organization; the first to expire comes first. Empty while somebody
    /// acts as the user.
    pub(crate) invitations: Vec<MyInvitation>,
}

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
    /// What the user is in it.
    pub(crate) role: Role,
}

impl Me {
    pub(super) fn of(caller: &Person, invitations: Vec<MyInvitation>) -> Self {
        let memberships = caller.identity().memberships.iter().map(|membership| MyMembership {
            organization_id: membership.organization_id,
            organization_name: membership.organization_name.clone(),
            organization_slug: membership.organization_slug.clone(),
            role: membership.capacity.role(),
        });
        Self {
            id: caller.id(),
            name: caller.identity().name.clone(),
            superadmin: caller.identity().superadmin,
            memberships: memberships.collect(),
            organization_id: caller.organization,
            role: caller.role(),
            permissions: caller.role().map(Role::permissions).unwrap_or_default(),
            patient_id: caller.patient_id(),
            specialist_id: caller.specialist_id(),
            invitations,
        }
    }
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

impl Example for Me {
    fn example() -> Self {
        Self {
            id: UserId(12),
            name: "Front desk".to_owned(),
            superadmin: false,
            memberships: vec![MyMembership::example()],
            organization_id: Some(OrganizationId(1)),
            role: Some(Role::Staff),
            permissions: Role::Staff.permissions(),
            patient_id: None,
            specialist_id: None,
            invitations: vec![MyInvitation::example()],
        }
    }
}

/// What the identity provider says of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    /// The user, as the identity provider calls it.
    pub(crate) clerk_id: String,
    /// What to call the user.
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

/// Which organization to work in from now on.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct SwitchOrganization {
    /// One of the caller's organizations.
    pub(crate) organization_id: OrganizationId,
}

impl Example for SwitchOrganization {
    fn example() -> Self {
        Self { organization_id: OrganizationId(1) }
    }
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
