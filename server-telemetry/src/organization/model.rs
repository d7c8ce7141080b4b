//! Settings of organizations.

use poem_openapi::{Object, types::Example};

use crate::text::Zone;

/// Settings of an organization, as Core sends them.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example, deny_unknown_fields)]
pub(crate) struct NewOrganizationSettings {
    /// Revision of the settings; Core increases it with each change.
    #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
    pub revision: i64,
    /// IANA time zone in which the days of the organization are counted.
    pub timezone: Zone,
}

impl Example for NewOrganizationSettings {
    fn example() -> Self {
        Self { revision: 4, timezone: Zone::literal("Europe/Berlin") }
    }
}

/// Settings of an organization as Telemetry stores them.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example)]
pub(crate) struct OrganizationSettings {
    /// Id of the organization in Core.
    pub organization_id: i64,
    /// Revision of the settings: the latest that Core sent.
    pub revision: i64,
    /// IANA time zone in which the days of the organization are counted.
    pub timezone: String,
}

impl Example for OrganizationSettings {
    fn example() -> Self {
        Self { organization_id: 3, revision: 4, timezone: "Europe/Berlin".to_owned() }
    }
}
