//! Verification of a chain: link by link, in constant memory, within a limited time.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{Postgres, Transaction};

use super::{
    link::{Head, Link, Tip},
    model::{AuditFault, AuditFaultKind, AuditSealed, AuditSigned, AuditVerification},
    repository,
    walk::Walk,
};
use crate::{
    audit::{error::AuditError, heads::HeadSigner, reading::Reader, repository as trail},
    storage::postgres::Database,
};

/// Number of links that are fetched at once.
const PAGE: i64 = 2_000;

/// Verifies chains.
pub(crate) struct ChainService {
    /// Database with the chains.
    pub database: Database,
    /// Verifier of head signatures.
    pub signer: Arc<HeadSigner>,
    /// Longest time of a check before the answer reports how far it came.
    pub budget: Duration,
}

impl ChainService {
    /// Checks the chain of an organization from `after` on, or from its beginning.
    pub(crate) async fn verify(
        &self,
        reader: &Reader,
        organization_id: i64,
        after: Option<i64>,
    ) -> Result<AuditVerification, AuditError> {
        let until = Instant::now() + self.budget;
        let mut tx = self.database.disclose(&reader.person).await?;
        let end = repository::tip(&mut tx, organization_id).await?;
        let verification = self.walk(&mut tx, organization_id, end, after, until).await?;
        trail::insert(&mut tx, &[reader.event(organization_id)]).await?;
        tx.commit().await?;
        if let Some(fault) = &verification.fault {
            tracing::error!(organization_id, kind = ?fault.kind, position = fault.position, "an audit chain is broken");
        }
        Ok(verification)
    }

    async fn walk(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        organization_id: i64,
        end: Option<Tip>,
        after: Option<i64>,
        until: Instant,
    ) -> Result<AuditVerification, sqlx::Error> {
        let start = repository::start(tx, organization_id).await?.unwrap_or(Tip::BEGINNING);
        let last = end.map_or(0, |end| end.position);
        // A position at or past the end is no fault of the chain: the caller asks whether there is more.
        let after = after.map(|after| after.min(last)).filter(|after| *after > start.position);
        let mut verification = AuditVerification {
            organization_id,
            intact: true,
            complete: false,
            verified_from: after.unwrap_or(start.position),
            verified_to: after.unwrap_or(start.position),
            sealed: end.and_then(|end| {
                Some(AuditSealed { position: end.position, audit_id: end.audit_id?, at: end.sealed_at? })
            }),
            waiting: repository::waiting_count(tx, organization_id).await?,
            signed: None,
            fault: None,
        };
        let outcome = self.follow(tx, &mut verification, start, after, until).await?;
        if let Err(fault) = outcome {
            verification.intact = false;
            verification.fault = Some(fault);
        }
        Ok(verification)
    }

    /// Records in `verification` how far the chain is valid. The inner error is the fault of the chain.
    async fn follow(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        verification: &mut AuditVerification,
        start: Tip,
        after: Option<i64>,
        until: Instant,
    ) -> Result<Result<(), AuditFault>, sqlx::Error> {
        let organization_id = verification.organization_id;
        let heads = repository::heads_from(tx, organization_id, start.position.max(1)).await?;
        verification.signed = heads.last().map(|head| AuditSigned { day: head.day, position: head.position });
        let genuine = |head: &Head| self.signer.is_genuine(head);
        let (mut walk, mut position) = match after {
            Some(after) => {
                let Some(link) = repository::link(tx, organization_id, after).await? else {
                    return Ok(Err(AuditFault::at(AuditFaultKind::MissingLink, after, None)));
                };
                let ahead = heads.into_iter().filter(|head| head.position >= after).collect();
                (Walk::new(link.tip(), after, ahead, &genuine), after)
            }
            None => (Walk::new(start, start.position, heads, &genuine), 0),
        };
        let begun = match after {
            // A head at exactly this position is compared now, because no link may follow.
            Some(_) => walk.pass_heads(),
            None if start.position > 0 => walk.begin(&start),
            None => Ok(()),
        };
        if let Err(fault) = begun {
            return Ok(Err(fault));
        }
        loop {
            let links = repository::links_after(tx, organization_id, position, PAGE).await?;
            let ids: Vec<_> = links.iter().map(|link| link.audit_id).collect();
            let events = repository::events(tx, organization_id, &ids).await?;
            // Links before the start belong to months that were dropped, and are deleted in a later transaction
            // than their events.
            let gone = |link: &&Link| link.position <= start.position && !events.contains_key(&link.audit_id);
            let gone: Vec<_> = links.iter().filter(gone).map(|link| link.audit_id).collect();
            let dropped = if gone.is_empty() { HashSet::new() } else { repository::dropped(tx, &gone).await? };
            let walked = links
                .iter()
                .filter(|link| !dropped.contains(&link.audit_id))
                .try_for_each(|link| walk.step(link, events.get(&link.audit_id)));
            verification.verified_to = walk.position();
            if let Err(fault) = walked {
                return Ok(Err(fault));
            }
            match links.last() {
                Some(last) => position = last.position,
                None => break,
            }
            if Instant::now() > until {
                return Ok(Ok(()));
            }
        }
        verification.complete = true;
        if let Err(fault) = walk.end() {
            return Ok(Err(fault));
        }
        if let Some(id) = repository::vanished(tx, organization_id).await? {
            return Ok(Err(AuditFault::of(AuditFaultKind::MissingEvent, id)));
        }
        let unsealed = repository::unsealed(tx, organization_id).await?;
        Ok(unsealed.map_or(Ok(()), |id| Err(AuditFault::of(AuditFaultKind::UnsealedEvent, id))))
    }
}
