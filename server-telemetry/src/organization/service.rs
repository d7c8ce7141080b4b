//! Service for the settings of organizations.

use super::{
    model::{NewOrganizationSettings, OrganizationSettings},
    repository::OrganizationRepository,
};
use crate::storage::{StoreError, postgres::Database};

/// Stores the settings of organizations.
pub(crate) struct OrganizationService {
    repository: OrganizationRepository,
}

impl OrganizationService {
    /// Makes a service on this database.
    pub(crate) fn new(database: Database) -> Self {
        Self { repository: OrganizationRepository { database } }
    }

    /// Stores the settings that Core sends; returns the stored ones.
    pub(super) async fn settings_put(
        &self,
        organization_id: i64,
        new: NewOrganizationSettings,
    ) -> Result<OrganizationSettings, StoreError> {
        Ok(self.repository.put(organization_id, new).await?)
    }
}
