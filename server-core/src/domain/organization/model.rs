use chrono::{DateTime, Utc};
use poem_openapi::{Object, types::Example};
use server_shared::value::Name;

use crate::ids::OrganizationId;

/// A clinic.
#[derive(Debug, Clone, Object, sqlx::FromRow)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct Organization {
    /// Id of the organization.
    pub(crate) id: OrganizationId,
    /// Name of the organization.
    pub(crate) name: String,
    /// Name in links; never changes.
    pub(crate) slug: String,
    /// IANA time zone of opening hours and reports.
    pub(crate) timezone: String,
    /// Country (ISO 3166-1 alpha-2) in which national telephone numbers are read.
    pub(crate) country: Option<String>,
    /// Id of the same organization at the identity provider. People who accept an invitation there become members.
    pub(crate) clerk_organization_id: Option<String>,
    /// Time of creation.
    pub(crate) created_at: DateTime<Utc>,
    /// Time of the last change.
    pub(crate) updated_at: DateTime<Utc>,
}

impl Example for Organization {
    fn example() -> Self {
        let created_at = DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_500);
        Self {
            id: OrganizationId(1),
            name: "Riverside Rehabilitation".to_owned(),
            slug: "riverside-rehabilitation".to_owned(),
            timezone: "Europe/Berlin".to_owned(),
            country: Some("DE".to_owned()),
            clerk_organization_id: Some("org_29w9IfBrPmcpi0IeBVaKtA7R94W".to_owned()),
            created_at,
            updated_at: created_at,
        }
    }
}

/// Values of a new organization.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct CreateOrganization {
    /// Name of the organization.
    pub(crate) name: Name<200>,
    /// Name in links; derived from the name if left out.
    #[oai(validator(min_length = 1, max_length = 60, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$"))]
    pub(crate) slug: Option<String>,
    /// IANA time zone of opening hours and reports.
    #[oai(validator(min_length = 1, max_length = 64, pattern = "^[!-~]*$"))]
    pub(crate) timezone: String,
    /// Country (ISO 3166-1 alpha-2) in which national telephone numbers are read, e.g. `DE`.
    #[oai(validator(pattern = "^[A-Z]{2}$"))]
    pub(crate) country: Option<String>,
    /// Id of the same organization at the identity provider, if there is one; never changes.
    #[oai(validator(min_length = 5, max_length = 100, pattern = "^org_[A-Za-z0-9]+$"))]
    pub(crate) clerk_organization_id: Option<String>,
}

impl Example for CreateOrganization {
    fn example() -> Self {
        let Organization { timezone, country, clerk_organization_id, .. } = Organization::example();
        let name = Name::from_static("Riverside Rehabilitation");
        Self { name, slug: Some("riverside-rehabilitation".to_owned()), timezone, country, clerk_organization_id }
    }
}

/// Values that replace those of an organization; the slug stays.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct UpdateOrganization {
    /// Name of the organization.
    pub(crate) name: Name<200>,
    /// IANA time zone of opening hours and reports.
    #[oai(validator(min_length = 1, max_length = 64, pattern = "^[!-~]*$"))]
    pub(crate) timezone: String,
    /// Country (ISO 3166-1 alpha-2) in which national telephone numbers are read, e.g. `DE`; removed if left out.
    #[oai(validator(pattern = "^[A-Z]{2}$"))]
    pub(crate) country: Option<String>,
}

impl Example for UpdateOrganization {
    fn example() -> Self {
        let CreateOrganization { name, timezone, country, .. } = CreateOrganization::example();
        Self { name, timezone, country }
    }
}
