//! Cache of active impersonations.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::repository;
use crate::{
    database::{Across, DatabaseError},
    identity::{Listeners, Secrets},
    ids::{OrganizationId, PatientId, UserId},
    remembered::Remembered,
};

/// An administrator acting as a patient.
#[derive(Debug)]
pub(crate) struct ImpersonationGrant {
    /// Organization in which it is valid.
    pub(super) organization: OrganizationId,
    /// The administrator.
    pub(super) impersonator: UserId,
    /// Id of the administrator at the identity provider.
    pub(super) impersonator_subject: String,
    /// The patient's record.
    pub(super) patient: PatientId,
    /// Id of the patient at the identity provider.
    pub(super) patient_subject: String,
    /// Session of the administrator that it was begun from; `None` if an earlier version began it.
    pub(super) session: Option<String>,
    pub(super) expires_at: DateTime<Utc>,
}

impl ImpersonationGrant {
    /// Returns true if it has not expired.
    pub(super) fn is_good(&self) -> bool {
        self.expires_at > Utc::now()
    }
}

/// Finds and caches impersonations by their tokens.
#[derive(Clone)]
pub(crate) struct Impersonations(Arc<Inner>);

struct Inner {
    across: Across,
    secrets: Arc<Secrets>,
    by_hash: Arc<Remembered<ImpersonationGrant>>,
}

impl Impersonations {
    /// Loads from the owner's pool, because the caller is needed to make a context.
    pub(crate) fn new(across: Across, secrets: Arc<Secrets>) -> Self {
        Self(Arc::new(Inner { across, secrets, by_hash: Arc::new(Remembered::new()) }))
    }

    /// Registers the cache with `listeners`, which report ended impersonations.
    pub(crate) fn hear(&self, listeners: &Listeners) {
        listeners.add("impersonation", Arc::<Remembered<ImpersonationGrant>>::clone(&self.0.by_hash));
    }

    /// Returns true if a bearer token has the form of an impersonation's.
    pub(super) fn claims(&self, token: &str) -> bool {
        self.0.secrets.claims(token)
    }

    /// Returns the grant of a token; `None` if there is none, or it was revoked.
    pub(super) async fn find(&self, token: &str) -> Result<Option<Arc<ImpersonationGrant>>, DatabaseError> {
        let inner = &self.0;
        let hash = inner.secrets.hash(token);
        let remembered_by = hex::encode(&hash);
        if let Some(grant) = inner.by_hash.get(&remembered_by) {
            return Ok(Some(grant));
        }
        let begun = inner.by_hash.begin();
        let Some(grant) = repository::impersonation_find(&inner.across, &hash).await?.map(Arc::new) else {
            return Ok(None);
        };
        inner.by_hash.keep(begun, &remembered_by, &grant);
        Ok(Some(grant))
    }
}
