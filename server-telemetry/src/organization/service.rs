//! Service for the settings of organizations.

use super::{
    model::{NewOrganizationSettings, OrganizationSettings},
    repository::OrganizationRepository,
};
use crate::storage::{StoreError, postgres::Database};

/// Settings of organizations.
pub(crate) struct OrganizationService {
    repository: OrganizationRepository,
}

impl OrganizationService {
    /// In this database.
    pub(crate) fn new(database: Database) -> Self {
        Self { repository: OrganizationRepository { database } }
    }

    /// Takes what Core tells; gives what stands.
    pub(super) async fn settings_put(
        &self,
        organization_id: i64,
        new: NewOrganizationSettings,
    ) -> Result<OrganizationSettings, StoreError> {
        Ok(self.repository.put(organization_id, new).await?)
    }
}
