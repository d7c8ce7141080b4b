//! The settings of an organization that this service works by.

use poem_openapi::{Object, types::Example};

use crate::text::Zone;

/// Settings of an organization, as Core sends them.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example, deny_unknown_fields)]
pub(crate) struct NewOrganizationSettings {
    /// Rises with each change at Core: of two states the one with the greater number is the later.
    #[oai(validator(minimum(value = "1"), maximum(value = "9007199254740991")))]
    pub revision: i64,
    /// The IANA zone that the organization's days are in.
    pub timezone: Zone,
}

impl Example for NewOrganizationSettings {
    fn example() -> Self {
        Self { revision: 4, timezone: Zone::literal("Europe/Berlin") }
    }
}

/// The settings of an organization as they are known here.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example)]
pub(crate) struct OrganizationSettings {
    /// The organization's id in Core.
    pub organization_id: i64,
    /// Number of the state: the latest that Core ever sent.
    pub revision: i64,
    /// The IANA zone that the organization's days are in.
    pub timezone: String,
}

impl Example for OrganizationSettings {
    fn example() -> Self {
        Self { organization_id: 3, revision: 4, timezone: "Europe/Berlin".to_owned() }
    }
}
