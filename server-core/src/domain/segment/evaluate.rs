//! Evaluations: by request, and in the background.

use chrono::TimeDelta;

use super::{
    engine::{Compiled, Known, Referred},
    error::SegmentError,
    event::SegmentEvent,
    member_model::{SegmentChanges, SegmentEvaluation},
    model::SegmentState,
    repository::{self, SegmentRow, Swapped},
    service::{RULE, Service},
};
use crate::{
    database::{DatabaseError, WriteTx},
    domain::rules::FieldFaults,
    identity::{Caller, Role},
    ids::{OrganizationId, SegmentId},
};

/// Outcome of an evaluation that has not been committed.
enum Outcome {
    /// The members were swapped.
    Swapped(Swapped, Known),
    /// The rule has faults, and the segment says so; `is_news` unless it has said the same before.
    Invalid { is_news: bool, known: Known },
}

/// Pause after which a rule is tried again whose evaluation has failed.
const PAUSE: TimeDelta = TimeDelta::hours(1);

impl Service {
    /// Evaluates a segment for a caller who sees it. The evaluation itself reads every patient of the organization.
    pub(super) async fn evaluate(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: SegmentId,
    ) -> Result<SegmentEvaluation, SegmentError> {
        let mut reader = self.database.read(caller).open().await?;
        reader.get::<SegmentRow>(id).await?.ok_or(SegmentError::NotFound)?;
        drop(reader);
        let mut tx = self.database.write(&caller.privileged()).await?;
        let row = tx.lock::<SegmentRow>(id).await?.ok_or(SegmentError::NotFound)?;
        match find(&mut tx, organization, &row).await.map_err(too_slow)? {
            Outcome::Swapped(swapped, known) => {
                tx.commit(evaluated(&row, &swapped)).await?;
                let sees_all = caller.role() != Some(Role::Specialist);
                Ok(SegmentEvaluation {
                    segment_id: id,
                    rule_version: row.rule_version,
                    state: SegmentState::Valid,
                    faults: Vec::new(),
                    evaluated_at: Some(known.now),
                    changes: sees_all.then(|| swapped.into()),
                })
            }
            Outcome::Invalid { .. } => {
                let now = tx.get::<SegmentRow>(id).await?.ok_or(SegmentError::NotFound)?;
                tx.commit(SegmentEvent::Invalidated(id)).await?;
                Ok(SegmentEvaluation {
                    segment_id: id,
                    rule_version: now.rule_version,
                    state: now.state,
                    faults: now.faults()?,
                    evaluated_at: now.evaluated_at,
                    changes: None,
                })
            }
        }
    }

    /// Evaluates a segment in the background. One that can't be evaluated becomes invalid, so that it keeps no other
    /// from being evaluated. Leaves an entry in the trail only if something has changed.
    pub(super) async fn evaluate_due(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: SegmentId,
    ) -> Result<(), SegmentError> {
        let mut tx = self.database.write(caller).await?;
        let row = tx.lock::<SegmentRow>(id).await?.ok_or(SegmentError::NotFound)?;
        match find(&mut tx, organization, &row).await {
            Ok(Outcome::Swapped(swapped, known)) => {
                if row.is_current() && (swapped.joined, swapped.left) == (0, 0) {
                    drop(tx);
                    repository::segment_settle(self.database.across(), organization, &row, &swapped, &known).await?;
                    return Ok(());
                }
                tx.commit(evaluated(&row, &swapped)).await?;
                Ok(())
            }
            Ok(Outcome::Invalid { is_news: true, .. }) => {
                tx.commit(SegmentEvent::Invalidated(id)).await?;
                Ok(())
            }
            Ok(Outcome::Invalid { is_news: false, known }) => {
                drop(tx);
                repository::segment_defer(self.database.across(), organization, &row, known.tomorrow()).await?;
                Ok(())
            }
            // The statement was refused, or what the rule names can't be read, and it would be so again.
            Err(SegmentError::Database(error @ (DatabaseError::Failed(_) | DatabaseError::Damaged(_)))) => {
                drop(tx);
                let (broken, message) = if error.is_timeout() {
                    ("too_slow", "takes longer than 25 seconds to evaluate; use fewer or simpler conditions")
                } else {
                    ("evaluation_failed", "could not be evaluated; write it in another way")
                };
                tracing::warn!(%organization, segment = %id, ?error, "a segment could not be evaluated");
                self.give_up(caller, organization, &row, (broken, message)).await
            }
            Err(error) => Err(error),
        }
    }

    /// Makes a segment invalid whose evaluation has failed, unless it has changed since it was `tried`.
    async fn give_up(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        tried: &SegmentRow,
        (broken, message): (&'static str, &'static str),
    ) -> Result<(), SegmentError> {
        let mut tx = self.database.write(caller).await?;
        let row = tx.lock::<SegmentRow>(tried.id).await?.ok_or(SegmentError::NotFound)?;
        if (row.rule_version, row.evaluations) != (tried.rule_version, tried.evaluations) {
            return Ok(());
        }
        let known = repository::known_load(&mut tx, organization, &Referred::default(), Some(row.id)).await?;
        let due_at = known.tomorrow().min(known.now + PAUSE);
        let mut faults = FieldFaults::default();
        faults.add(RULE, broken, message);
        let faults = repository::faults_json(faults.list());
        if row.says(&faults) {
            drop(tx);
            repository::segment_defer(self.database.across(), organization, &row, due_at).await?;
            return Ok(());
        }
        repository::segment_invalidate(&mut tx, organization, row.id, &faults, due_at).await?;
        tx.commit(SegmentEvent::Invalidated(row.id)).await?;
        Ok(())
    }
}

/// Returns the event of an evaluation of `row`, as it was before.
fn evaluated(row: &SegmentRow, swapped: &Swapped) -> SegmentEvent {
    let restored = row.state == SegmentState::Invalid;
    SegmentEvent::Evaluated { id: row.id, joined: swapped.joined, left: swapped.left, restored }
}

/// Evaluates a segment that the transaction has locked. Its rule is checked against everything as it is now.
async fn find(tx: &mut WriteTx, organization: OrganizationId, row: &SegmentRow) -> Result<Outcome, SegmentError> {
    let rule = row.rule()?;
    let known = repository::known_load(tx, organization, &Referred::by(&rule), Some(row.id)).await?;
    match Compiled::check(&rule, &known, RULE) {
        Ok(compiled) => {
            repository::evaluation_limit(tx).await?;
            let swapped = repository::segment_swap(tx, organization, row, &compiled, &known).await?;
            Ok(Outcome::Swapped(swapped, known))
        }
        Err(faults) => {
            let faults = repository::faults_json(faults.list());
            repository::segment_invalidate(tx, organization, row.id, &faults, known.tomorrow()).await?;
            Ok(Outcome::Invalid { is_news: !row.says(&faults), known })
        }
    }
}

/// Names the fault of a statement that was stopped after its time.
pub(super) fn too_slow(error: SegmentError) -> SegmentError {
    match error {
        SegmentError::Database(error) if error.is_timeout() => SegmentError::TooSlow,
        error => error,
    }
}

impl From<Swapped> for SegmentChanges {
    fn from(swapped: Swapped) -> Self {
        Self {
            member_count: swapped.members,
            missing_count: swapped.missing,
            joined_count: swapped.joined,
            left_count: swapped.left,
            joined: swapped.joined_ids,
            left: swapped.left_ids,
        }
    }
}
