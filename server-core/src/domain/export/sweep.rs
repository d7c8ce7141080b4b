//! Periodic task: ends exports that nobody works on any more, and deletes files whose time is over.

use uuid::Uuid;

use super::{
    event::ExportEvent,
    model::{ExportRecord, file_key},
    repository::{self, LeftExport, SpentFile},
};
use crate::{
    database::{Database, DatabaseError},
    event::Events,
    identity::Caller,
    ids::OrganizationId,
    integration::s3::{Storage, StorageError},
};

/// Name of the task in audit entries.
const OPERATION: &str = "exports_sweep";
/// Hours after which nobody sends a table any more: many times longer than one may be sent.
const SENT_HOURS: i32 = 2;
/// Hours after which no run of an export that has failed goes on: longer than one reads and stores rows.
const RUN_HOURS: i32 = 2;
/// Number of exports and of files that one run ends.
const BATCH: i64 = 200;
/// Days for which the row of an export is kept. The trail keeps what it says.
const ROW_DAYS: i32 = 30;
/// Code of an export whose process has ended.
const INTERRUPTED: &str = "interrupted";

/// Ends exports and deletes files; returns their number. While S3 can't be reached, files are left to the next run.
pub(crate) async fn exports_sweep(database: Database, storage: Storage) -> Result<u64, DatabaseError> {
    let across = database.across();
    let mut ended = 0;
    for left in repository::exports_left(across, SENT_HOURS, BATCH).await? {
        ended += u64::from(give_up(&database, &left).await?);
    }
    for spent in repository::files_spent(across, RUN_HOURS, BATCH).await? {
        if let Err(error) = delete(&storage, &spent).await {
            tracing::warn!(?error, "the file of an export could not be deleted; it is tried again");
            break;
        }
        if !spent.is_settled {
            continue;
        }
        let (export, caller) = (ExportRecord(spent.id), caller(spent.organization_id));
        let mut tx = database.write(&caller).await?;
        if repository::file_gone(&mut tx, export).await? {
            tx.commit(ExportEvent::FileDeleted(export)).await?;
            ended += 1;
        }
    }
    repository::exports_delete(across, ROW_DAYS).await?;
    Ok(ended)
}

async fn give_up(database: &Database, left: &LeftExport) -> Result<bool, DatabaseError> {
    let (export, caller) = (ExportRecord(left.id), caller(left.organization_id));
    let code = left.error_code.clone().filter(|_| left.as_file).unwrap_or_else(|| INTERRUPTED.to_owned());
    let mut tx = database.write(&caller).await?;
    let given_up = repository::export_give_up(&mut tx, export, &code).await?;
    if given_up {
        tx.commit(Events::from(ExportEvent::FileFailed(export, code))).await?;
    }
    Ok(given_up)
}

/// Deletes a file, and the parts of an upload that was not completed.
async fn delete(storage: &Storage, spent: &SpentFile) -> Result<(), StorageError> {
    let key = file_key(spent.organization_id, spent.id);
    if let Some(upload) = &spent.upload_id
        && let Err(error) = storage.upload_abort(&key, upload).await
    {
        // S3 may know nothing of it any more: its parts are left to the rules of the bucket.
        tracing::warn!(?error, "the upload of an export could not be given up");
    }
    storage.delete(&[key]).await
}

fn caller(organization: OrganizationId) -> Caller {
    Caller::job(Some(organization), OPERATION, Uuid::now_v7())
}
