//! Events of the settings of organizations.

use super::model::SettingsOf;
use crate::event::events;

events! {
    /// Something that happened to the settings of an organization.
    OrganizationSettingsEvent of SettingsOf {
        /// Some of its fields have other values.
        Updated[changed] => "updated",
    }
}
