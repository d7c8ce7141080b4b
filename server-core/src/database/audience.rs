//! Audiences of organizations, remembered in process: a write of a hot organization costs no query for it.

use std::sync::Arc;

use super::{Across, DatabaseError};
use crate::{
    event::Audience,
    identity::{Changed, Listeners, Remembers},
    ids::OrganizationId,
    remembered::Remembered,
};

/// Finds and remembers audiences.
#[derive(Clone)]
pub(super) struct Audiences {
    across: Across,
    remembered: Arc<ByOrganization>,
}

/// Audiences by the id of their organization.
struct ByOrganization(Remembered<Audience>);

impl Audiences {
    /// Loads from the owner's pool, for not every caller sees who listens, and forgets what `listeners` hear of.
    pub(super) fn new(across: Across, listeners: &Listeners) -> Self {
        let remembered = Arc::new(ByOrganization(Remembered::new()));
        listeners.add(Changed::AUDIENCE, Arc::<ByOrganization>::clone(&remembered));
        Self { across, remembered }
    }

    /// Returns who listens in the organization.
    pub(super) async fn of(&self, organization: Option<OrganizationId>) -> Result<Audience, DatabaseError> {
        let Some(organization) = organization else { return Ok(Audience::EVERYBODY) };
        let (key, remembered) = (organization.to_string(), &self.remembered.0);
        if let Some(audience) = remembered.get(&key) {
            return Ok(*audience);
        }
        let begun = remembered.begin();
        let audience = Arc::new(self.load(organization).await?);
        remembered.keep(begun, &key, &audience);
        Ok(*audience)
    }

    async fn load(&self, organization: OrganizationId) -> Result<Audience, DatabaseError> {
        let audience = sqlx::query_as!(
            Audience,
            r#"
            select exists (select from waitlist_entries
                           where organization_id = $1 and booked_at is null and deleted_at is null
                             and requested_to > now()) as "waiting!"
            "#,
            organization.0
        )
        .fetch_one(self.across.pool())
        .await?;
        Ok(audience)
    }
}

impl Remembers for ByOrganization {
    fn changed(&self, id: &str) {
        self.0.forget(Some(id));
    }

    fn forget_all(&self) {
        self.0.forget_all();
    }

    fn hearing(&self, hearing: bool) {
        self.0.hearing(hearing);
    }
}
