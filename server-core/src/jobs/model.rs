use chrono::{DateTime, Utc};
use poem_openapi::Enum;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Work;
use crate::{
    database::DatabaseError,
    ids::{OrganizationId, UserId},
};

/// Status of a job.
///
/// - `queued`: waits for its first or next attempt
/// - `running`: is in progress
/// - `succeeded`: is done
/// - `failed`: failed and is not retried any more; see `last_error`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, sqlx::Type)]
#[oai(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum JobState {
    Queued,
    Running,
    Succeeded,
    Failed,
}

/// Job that is about to be inserted.
#[derive(Debug)]
pub(crate) struct NewJob {
    pub(crate) id: Uuid,
    /// `None` is written as 0.
    pub(crate) organization: Option<OrganizationId>,
    pub(crate) kind: &'static str,
    pub(crate) payload: Value,
    pub(crate) key: Option<String>,
    pub(crate) created_by: Option<UserId>,
    pub(crate) keep_days: i32,
}

impl NewJob {
    /// Builds a job for `work`.
    pub(crate) fn of<W: Work>(
        work: &W,
        organization: Option<OrganizationId>,
        created_by: Option<UserId>,
    ) -> Result<Self, DatabaseError> {
        let payload = serde_json::to_value(work)
            .map_err(|error| DatabaseError::Damaged(format!("work of kind {}: {error}", W::KIND)))?;
        Ok(Self {
            id: Uuid::now_v7(),
            organization,
            kind: W::KIND,
            payload,
            key: work.key(),
            created_by,
            keep_days: W::KEEP_DAYS,
        })
    }

    /// Returns true if the other job has the same work, organization and key.
    pub(crate) fn is_same_work(&self, other: &Self) -> bool {
        (self.kind, self.organization, &self.key, &self.payload)
            == (other.kind, other.organization, &other.key, &other.payload)
    }

    /// Returns the statement that inserts the jobs, except those for whose key a job is open; empty without jobs. The
    /// rows are passed as hexadecimal text: whatever they contain, it consists of `[0-9a-f]` alone.
    pub(crate) fn statement(jobs: &[Self]) -> String {
        if jobs.is_empty() {
            return String::new();
        }
        let rows: Vec<Value> = jobs.iter().map(Self::row).collect();
        format!(" select jobs_append('{}');", hex::encode(Value::Array(rows).to_string()))
    }

    fn row(&self) -> Value {
        json!({
            "id": self.id,
            "organization_id": self.organization.map_or(0, |id| id.0),
            "kind": self.kind,
            "payload": self.payload,
            "key": self.key,
            "created_by": self.created_by.map(|id| id.0),
            "keep_days": self.keep_days,
        })
    }
}

/// Job as it is stored.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: Uuid,
    pub(crate) payload: Value,
    pub(crate) state: JobState,
    pub(crate) attempts: i32,
    pub(crate) last_error: Option<String>,
    pub(crate) progress: Value,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) finished_at: Option<DateTime<Utc>>,
}

/// Job that this process has claimed.
#[derive(Debug)]
pub(super) struct ClaimedJob {
    pub(super) id: Uuid,
    pub(super) organization_id: i64,
    pub(super) kind: String,
    pub(super) payload: Value,
    pub(super) progress: Value,
    pub(super) attempts: i32,
    pub(super) created_by: Option<UserId>,
    pub(super) lease: Uuid,
}
