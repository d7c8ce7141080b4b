use chrono::{DateTime, Utc};
use poem_openapi::{Object, types::Example};

use crate::ids::OrganizationId;

/// A clinic.
#[derive(Debug, Clone, Object, sqlx::FromRow)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct Organization {
    /// Its id.
    pub(crate) id: OrganizationId,
    /// What it is called.
    pub(crate) name: String,
    /// Its name in links; never changes.
    pub(crate) slug: String,
    /// The IANA zone its opening hours and reports are in.
    pub(crate) timezone: String,
    /// Country (ISO 3166-1 alpha-2) in which national telephone numbers are read.
    pub(crate) country: Option<String>,
    /// The organization of the identity provider's that it is: who accepts an invitation there is a member.
    pub(crate) clerk_organization_id: Option<String>,
    /// When it was created.
    pub(crate) created_at: DateTime<Utc>,
    /// When it last changed.
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

/// What an organization is created from.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct CreateOrganization {
    /// What it is called.
    #[oai(validator(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"
    ))]
    pub(crate) name: String,
    /// Its name in links; made from the name when left out.
    #[oai(validator(min_length = 1, max_length = 60, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$"))]
    pub(crate) slug: Option<String>,
    /// The IANA zone its opening hours and reports are in.
    #[oai(validator(min_length = 1, max_length = 64))]
    pub(crate) timezone: String,
    /// Country (ISO 3166-1 alpha-2) in which national telephone numbers are read, e.g. `DE`.
    #[oai(validator(pattern = "^[A-Z]{2}$"))]
    pub(crate) country: Option<String>,
    /// The organization of the identity provider's that it is, if there is one; never changes.
    #[oai(validator(min_length = 5, max_length = 100, pattern = "^org_[A-Za-z0-9]+$"))]
    pub(crate) clerk_organization_id: Option<String>,
}

impl Example for CreateOrganization {
    fn example() -> Self {
        let Organization { name, timezone, country, clerk_organization_id, .. } = Organization::example();
        Self { name, slug: Some("riverside-rehabilitation".to_owned()), timezone, country, clerk_organization_id }
    }
}

/// What an organization is replaced by; the slug stays.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct UpdateOrganization {
    /// What it is called.
    #[oai(validator(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"
    ))]
    pub(crate) name: String,
    /// The IANA zone its opening hours and reports are in.
    #[oai(validator(min_length = 1, max_length = 64))]
    pub(crate) timezone: String,
    /// Country (ISO 3166-1 alpha-2) in which national telephone numbers are read, e.g. `DE`; removed if left out.
    #[oai(validator(pattern = "^[A-Z]{2}$"))]
    pub(crate) country: Option<String>,
}

impl Example for UpdateOrganization {
    fn example() -> Self {
        let Organization { name, timezone, country, .. } = Organization::example();
        Self { name, timezone, country }
    }
}
