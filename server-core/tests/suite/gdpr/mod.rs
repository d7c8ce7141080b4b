//! Exports and erasures over both services and all stores: the same search finds every planted value before an erasure,
//! and none after it.

mod account;
mod erasure;
mod export;
mod headers;
mod links;
mod merged;
mod planting;
mod registry;

use futures_util::StreamExt as _;
use restartix_sdk::core::types::{ErasureJob, JobState};
use sqlx::{AssertSqlSafe, PgConnection};
use test_support::{Actor, ClerkApi, Clinic, CoreApp, CoreBuilder, granted, until};
use uuid::Uuid;

/// Starts Core and Telemetry with a Clerk of their own.
pub(crate) async fn clinic(clerk: &ClerkApi) -> Clinic {
    Clinic::start_with(with_clerk(clerk)).await
}

fn with_clerk(clerk: &ClerkApi) -> CoreBuilder {
    CoreApp::builder().env("CLERK_API_URL", clerk.url()).env("CLERK_SECRET_KEY", clerk.secret_key())
}

async fn execute(owner: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(owner).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

async fn count(app: &CoreApp, sql: String) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut app.owner().await).await.unwrap()
}

async fn outbox_empty(app: &CoreApp) {
    until("the audit rows have gone to Telemetry", CoreApp::PATIENCE, || async {
        (app.count("select count(*) from audit_outbox").await == 0).then_some(())
    })
    .await;
}

/// Exports a patient.
pub(crate) async fn exported(admin: &Actor, patient: i64) -> String {
    let mut stream = granted(admin.gdpr_patient_export().patient_id(patient).send().await, 200).into_inner();
    let mut document = Vec::new();
    while let Some(chunk) = stream.next().await {
        document.extend_from_slice(&chunk.unwrap());
    }
    String::from_utf8(document).unwrap()
}

pub(crate) async fn finished(admin: &Actor, id: Uuid) -> ErasureJob {
    // The pause after a failure grows.
    until("the erasure is done", 3 * CoreApp::PATIENCE, || async {
        let job = granted(admin.gdpr_job_get().job_id(id).send().await, 200);
        (job.status == JobState::Succeeded).then_some(job)
    })
    .await
    .0
}
