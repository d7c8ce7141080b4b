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
    /// With these limits; addresses are kept as their hash under `key` alone.
    pub(crate) fn new(config: SecurityConfig, key: Key32) -> Self {
        Self { config, hash: KeyedHash::new(key) }
    }
}

#[async_trait]
impl Watcher for Detector {
    /// Derives the security events that `new` makes. A batch in which no rule sees anything costs no statement, any
    /// other three.
    async fn watch(&self, tx: &mut Transaction<'_, Postgres>, new: &[&NewAuditEvent]) -> Result<(), sqlx::Error> {
        let mut sightings = sighting::of(new.iter().copied(), &self.hash);
        if sightings.is_empty() {
            return Ok(());
        }
        // Whoever stores events of the same subject waits here, and then sees these: two halves of what
        // makes an event are not passed over by two that each see one.
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
