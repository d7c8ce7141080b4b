//! Derives security events from audit events as they are stored.

use async_trait::async_trait;
use server_shared::crypto::{Key32, KeyedHash};
use sqlx::{Postgres, Transaction};

use super::{repository, sighting};
use crate::{
    audit::{NewAuditEvent, Watcher},
    config::SecurityConfig,
};

/// Applies the rules.
pub(crate) struct Detector {
    config: SecurityConfig,
    hash: KeyedHash,
}

impl Detector {
    /// Makes a detector with these limits. It stores an address only as its keyed hash under `key`.
    pub(crate) fn new(config: SecurityConfig, key: Key32) -> Self {
        Self { config, hash: KeyedHash::new(key) }
    }
}

#[async_trait]
impl Watcher for Detector {
    /// Derives the security events of `new`. A batch in which no rule observes anything costs no statement, any
    /// other batch three.
    async fn watch(&self, tx: &mut Transaction<'_, Postgres>, new: &[&NewAuditEvent]) -> Result<(), sqlx::Error> {
        let mut sightings = sighting::of(new.iter().copied(), &self.hash);
        if sightings.is_empty() {
            return Ok(());
        }
        // Transactions with events of the same subject wait here, and then see each other's rows. Otherwise two of
        // them could each miss half of a security event.
        repository::subjects_lock(tx, &sightings).await?;
        repository::sightings_add(tx, &mut sightings, &self.config).await?;
        let candidates = sighting::candidates(sightings);
        if candidates.is_empty() {
            return Ok(());
        }
        for noticed in repository::judge(tx, &candidates, &self.config).await? {
            metrics::counter!("telemetry_security_events_total", "kind" => noticed.kind.clone()).increment(1);
            tracing::warn!(
                target: "security",
                event = noticed.kind,
                severity = noticed.severity,
                organization_id = noticed.organization_id,
                security_event_id = %noticed.id,
                "a security event"
            );
        }
        Ok(())
    }
}
