use poem_openapi::types::ToJSON as _;
use server_shared::http::{Page, Paging};

use super::{
    engine::{Compiled, Known, Referred, SegmentRule},
    error::SegmentError,
    event::SegmentEvent,
    model::{Segment, SegmentInput, SegmentSort, UpdateSegment},
    repository::{self, NewRule, SegmentRow},
};
use crate::{
    database::{Database, DatabaseError, Lock, Tx, WriteTx},
    domain::rules::{FieldFaults, StaleVersion},
    event::changed,
    identity::{Caller, Changed},
    ids::{OrganizationId, SegmentId},
};

/// Pointer of the rule in a body, and in a segment.
pub(super) const RULE: &str = "/rule";
/// Maximum size of a rule in bytes, written as JSON.
const LARGEST: usize = 64 * 1024;

/// Service for the segments of a clinic.
#[derive(Clone)]
pub(crate) struct Service {
    pub(super) database: Database,
}

impl Service {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    pub(super) async fn list(
        &self,
        caller: &Caller,
        sort: SegmentSort,
        paging: Paging,
    ) -> Result<Page<Segment>, SegmentError> {
        let mut reader = self.database.read(caller).open().await?;
        let (rows, total) = repository::segment_page(&mut reader, sort, paging).await?;
        let segments = rows.into_iter().map(Segment::try_from).collect::<Result<Vec<_>, _>>()?;
        Ok(paging.page(segments, total))
    }

    pub(super) async fn get(&self, caller: &Caller, id: SegmentId) -> Result<Segment, SegmentError> {
        let mut reader = self.database.read(caller).open().await?;
        let row: SegmentRow = reader.get(id).await?.ok_or(SegmentError::NotFound)?;
        Ok(row.try_into()?)
    }

    /// Creates a segment. A job finds its members.
    pub(super) async fn create(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        input: &SegmentInput,
    ) -> Result<Segment, SegmentError> {
        let mut tx = self.database.write_locked(caller, locks(organization)).await?;
        let new = checked(&mut tx, organization, &input.rule, None).await?;
        let row = repository::segment_create(&mut tx, organization, input, &new).await?.ok_or(SegmentError::TooMany)?;
        let segment = Segment::try_from(row)?;
        tx.changed(Changed::Audience(organization));
        tx.commit(SegmentEvent::Created(segment.id)).await?;
        Ok(segment)
    }

    /// Replaces the properties of a segment. If the rule is another one, a job finds its members.
    pub(super) async fn update(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: SegmentId,
        input: &UpdateSegment,
    ) -> Result<Segment, SegmentError> {
        let mut tx = self.database.write_locked(caller, locks(organization)).await?;
        let before = tx.lock::<SegmentRow>(id).await?.ok_or(SegmentError::NotFound)?;
        StaleVersion::check(input.version, before.version)?;
        let new = checked(&mut tx, organization, &input.segment.rule, Some(id)).await?;
        let is_new = new.rule != before.rule;
        let row = repository::segment_update(&mut tx, id, &input.segment, &new, is_new).await?;
        let segment = Segment::try_from(row.ok_or(SegmentError::NotFound)?)?;
        let fields = changed(&Segment::try_from(before)?, &segment, &["name", "description", "rule"]);
        tx.changed(Changed::Audience(organization));
        tx.commit(SegmentEvent::Updated { id, changed: fields }).await?;
        Ok(segment)
    }

    /// Deletes a segment with its members and their history.
    pub(super) async fn delete(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: SegmentId,
    ) -> Result<(), SegmentError> {
        let mut tx = self.database.write_locked(caller, locks(organization)).await?;
        if !repository::segment_delete(&mut tx, id).await? {
            return Err(SegmentError::NotFound);
        }
        tx.changed(Changed::Audience(organization));
        tx.commit(SegmentEvent::Deleted(id)).await?;
        Ok(())
    }
}

/// Returns the locks of a write of a rule: no custom field changes meanwhile, and no other rule, so that two can't make
/// a cycle.
fn locks(organization: OrganizationId) -> Vec<Lock> {
    vec![Lock::FieldsRead(organization), Lock::Segments(organization)]
}

/// Checks a rule of a body, and returns it as it is to be stored.
async fn checked(
    tx: &mut WriteTx,
    organization: OrganizationId,
    rule: &SegmentRule,
    this: Option<SegmentId>,
) -> Result<NewRule, SegmentError> {
    let (compiled, known) = compiled(tx, organization, rule, this).await?;
    let pinned = rule.clone().pinned(&known);
    let json = pinned.to_json().unwrap_or_default();
    Ok(NewRule::new(json, compiled.sources(), &Referred::by(&pinned)))
}

/// Checks a rule of a body against what it names.
pub(super) async fn compiled(
    tx: &mut impl Tx,
    organization: OrganizationId,
    rule: &SegmentRule,
    this: Option<SegmentId>,
) -> Result<(Compiled, Known), SegmentError> {
    if rule.to_json_string().len() > LARGEST {
        let mut faults = FieldFaults::default();
        faults.add(RULE, "max_size", "must not be larger than 64 KiB");
        faults.check()?;
    }
    let known = repository::known_load(tx, organization, &Referred::by(rule), this).await?;
    match Compiled::check(rule, &known, RULE) {
        Ok(compiled) => Ok((compiled, known)),
        Err(faults) => {
            faults.check()?;
            Err(DatabaseError::Damaged("a rule was refused without a fault".to_owned()).into())
        }
    }
}
