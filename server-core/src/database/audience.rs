//! In-process cache of the audiences of organizations, so that a write costs no query for them.

use std::{fmt, sync::Arc};

use super::{Across, DatabaseError};
use crate::{
    event::Audience,
    identity::{Changed, Listeners, Remembers},
    ids::OrganizationId,
    remembered::Remembered,
};

/// Loads and caches audiences.
#[derive(Clone)]
pub(super) struct Audiences {
    across: Across,
    remembered: Arc<ByOrganization>,
}

/// Cached audiences, by the id of their organization.
struct ByOrganization(Remembered<Audience>);

impl Audiences {
    /// Builds an empty cache and registers it with `listeners`, which announce changes. It loads from the owner's pool,
    /// because not every caller may see who listens.
    pub(super) fn new(across: Across, listeners: &Listeners) -> Self {
        let remembered = Arc::new(ByOrganization(Remembered::new()));
        listeners.add(Changed::AUDIENCE, Arc::<ByOrganization>::clone(&remembered));
        Self { across, remembered }
    }

    /// Loads the audience of the organization unless it is cached.
    pub(super) async fn find(&self, organization: Option<OrganizationId>) -> Result<(), DatabaseError> {
        let Some(organization) = organization else { return Ok(()) };
        let (key, remembered) = (organization.to_string(), &self.remembered.0);
        if remembered.get(&key).is_none() {
            let begun = remembered.begin();
            let audience = Arc::new(self.load(organization).await?);
            remembered.keep(begun, &key, &audience);
        }
        Ok(())
    }

    /// Returns the cached audience of the organization, or [`Audience::EVERYBODY`] if none is cached. A write calls
    /// this at its end, because somebody may have begun to listen since it began.
    pub(super) fn remembered(&self, organization: Option<OrganizationId>) -> Audience {
        let remembered = organization.and_then(|id| self.remembered.0.get(&id.to_string()));
        remembered.map_or(Audience::EVERYBODY, |audience| *audience)
    }

    async fn load(&self, organization: OrganizationId) -> Result<Audience, DatabaseError> {
        let audience = sqlx::query_as!(
            Audience,
            r#"
            select exists (select from waitlist_entries
                           where organization_id = $1 and booked_at is null and deleted_at is null
                             and requested_to > now()) as "waiting!",
                   exists (select from segments where organization_id = $1) as "segments!",
                   exists (select from segments where organization_id = $1 and 'appointments' = any (sources))
                       as "appointment_segments!"
            "#,
            organization.0
        )
        .fetch_one(self.across.pool())
        .await?;
        Ok(audience)
    }
}

impl fmt::Debug for Audiences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audiences").finish_non_exhaustive()
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
