use chrono::{DateTime, Utc};
use poem_openapi::{Object, types::Example};
use server_shared::value::Name;

use crate::ids::OrganizationId;

/// Organization: a clinic.
#[derive(Debug, Clone, Object, sqlx::FromRow)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct Organization {
    /// Id of the organization.
    pub(crate) id: OrganizationId,
    /// Name of the organization.
    pub(crate) name: String,
    /// Name in links, unique among all organizations; never changes.
    pub(crate) slug: String,
    /// IANA time zone, e.g. `Europe/Berlin`, of calendars and of dates without a time.
    pub(crate) timezone: String,
    /// Country (ISO 3166-1 alpha-2), e.g. `DE`. Telephone numbers without a country prefix are read as numbers of this
    /// country.
    pub(crate) country: Option<String>,
    /// Id of the same organization at the identity provider; absent if there is none. People who accept an invitation
    /// of the identity provider to it become members here.
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
    /// Name in links, unique among all organizations; derived from the name if left out.
    #[oai(validator(min_length = 1, max_length = 60, pattern = "^[a-z0-9]+(-[a-z0-9]+)*$"))]
    pub(crate) slug: Option<String>,
    /// IANA time zone, e.g. `Europe/Berlin`, of calendars and of dates without a time.
    #[oai(validator(min_length = 1, max_length = 64, pattern = "^[!-~]*$"))]
    pub(crate) timezone: String,
    /// Country (ISO 3166-1 alpha-2), e.g. `DE`. Telephone numbers without a country prefix are read as numbers of this
    /// country.
    #[oai(validator(pattern = "^[A-Z]{2}$"))]
    pub(crate) country: Option<String>,
    /// Id of the same organization at the identity provider, if there is one. It can't be changed later.
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

/// Values that replace those of an organization; the slug does not change.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct UpdateOrganization {
    /// Name of the organization.
    pub(crate) name: Name<200>,
    /// IANA time zone, e.g. `Europe/Berlin`, of calendars and of dates without a time.
    #[oai(validator(min_length = 1, max_length = 64, pattern = "^[!-~]*$"))]
    pub(crate) timezone: String,
    /// Country (ISO 3166-1 alpha-2), e.g. `DE`; removed if left out. Telephone numbers without a country prefix are
    /// read as numbers of this country.
    #[oai(validator(pattern = "^[A-Z]{2}$"))]
    pub(crate) country: Option<String>,
}

impl Example for UpdateOrganization {
    fn example() -> Self {
        let CreateOrganization { name, timezone, country, .. } = CreateOrganization::example();
        Self { name, timezone, country }
    }
}
