//! Events of the settings of organizations.

use super::model::SettingsOf;
use crate::event::events;

events! {
    /// Event of the settings of an organization.
    OrganizationSettingsEvent of SettingsOf {
        /// Settings changed.
        Updated[changed] => "updated",
    }
}
