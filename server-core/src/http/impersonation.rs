//! Impersonations under way, remembered in process as users are.

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
    /// Where; it is good nowhere else.
    pub(super) organization: OrganizationId,
    /// The administrator.
    pub(super) impersonator: UserId,
    /// The administrator, as the identity provider calls it.
    pub(super) impersonator_subject: String,
    /// The patient's record.
    pub(super) patient: PatientId,
    /// The patient, as the identity provider calls it.
    pub(super) patient_subject: String,
    /// The session of the administrator's that it was begun from; none of those of an earlier version is known.
    pub(super) session: Option<String>,
    pub(super) expires_at: DateTime<Utc>,
}

impl ImpersonationGrant {
    /// Whether it still lasts.
    pub(super) fn is_good(&self) -> bool {
        self.expires_at > Utc::now()
    }
}

/// Finds and remembers impersonations by their tokens.
#[derive(Clone)]
pub(crate) struct Impersonations(Arc<Inner>);

struct Inner {
    across: Across,
    secrets: Arc<Secrets>,
    by_hash: Arc<Remembered<ImpersonationGrant>>,
}

impl Impersonations {
    /// Loads from the owner's pool: who a caller is must be known before there is a context.
    pub(crate) fn new(across: Across, secrets: Arc<Secrets>) -> Self {
        Self(Arc::new(Inner { across, secrets, by_hash: Arc::new(Remembered::new()) }))
    }

    /// Registers the cache with `listeners`, who tell it that impersonations have ended.
    pub(crate) fn hear(&self, listeners: &Listeners) {
        listeners.add("impersonation", Arc::<Remembered<ImpersonationGrant>>::clone(&self.0.by_hash));
    }

    /// Whether a bearer token claims to be one of an impersonation.
    pub(super) fn claims(&self, token: &str) -> bool {
        self.0.secrets.claims(token)
    }

    /// What a token stands for; `None` if it is none, or revoked.
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
