use std::collections::BTreeMap;

use uuid::Uuid;

use super::{super::event::FormEvent, repository};
use crate::{
    database::{Across, Database, DatabaseError},
    event::Events,
    identity::Caller,
    ids::{FormId, OrganizationId},
};

/// Operation that audit rows name.
const OPERATION: &str = "forms_overdue";
/// Number of forms that are looked for at once.
const BATCH: i64 = 500;

/// Marks the drafts whose time has passed in every organization; returns their number.
pub(crate) async fn forms_overdue(across: Across, database: Database) -> Result<u64, DatabaseError> {
    let mut marked = 0;
    loop {
        let due = repository::forms_due(&across, BATCH).await?;
        let is_last = i64::try_from(due.len()).unwrap_or(BATCH) < BATCH;
        let mut idle = Vec::new();
        let mut counting: BTreeMap<OrganizationId, Vec<FormId>> = BTreeMap::new();
        for form in due {
            if form.counts {
                counting.entry(form.organization_id).or_default().push(form.id);
            } else {
                idle.push(form.id);
            }
        }
        let mut changed = 0;
        if !idle.is_empty() {
            changed += repository::due_clear(&across, &idle).await?;
        }
        for (organization, forms) in counting {
            let count = mark(&database, organization, &forms).await?;
            changed += count;
            marked += count;
        }
        // Those that another transaction has locked are found again the next time.
        if is_last || changed == 0 {
            return Ok(marked);
        }
    }
}

/// Marks drafts of an organization as overdue; returns their number.
async fn mark(database: &Database, organization: OrganizationId, forms: &[FormId]) -> Result<u64, DatabaseError> {
    let caller = Caller::job(Some(organization), OPERATION, Uuid::now_v7());
    let mut tx = database.write(&caller).await?;
    let marked = repository::overdue_mark(&mut tx, organization, forms).await?;
    let count = u64::try_from(marked.len()).unwrap_or_default();
    if let Some(events) = Events::all(marked.into_iter().map(FormEvent::Overdue)) {
        tx.commit(events).await?;
    }
    Ok(count)
}
