//! Erasures: requests, jobs, plans and receipts.

use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object, types::Example};
use serde::{Deserialize, Serialize};
use serde_json::json;
use server_shared::mark::Phi;
use uuid::Uuid;

use crate::privacy::registry::{Fate, Found, HOLDINGS, Holding};

/// Kind of the person's id.
///
/// - `user`: id of a user in Core
/// - `patient`: id of a patient record in Core
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum SubjectKind {
    User,
    Patient,
}

impl SubjectKind {
    /// Returns the name that rows and the audit trail use.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Patient => "patient",
        }
    }

    pub(super) fn from_column(text: &str) -> Self {
        if text == "patient" { Self::Patient } else { Self::User }
    }
}

/// Person whose data is erased or exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DataSubject {
    pub kind: SubjectKind,
    /// Id in Core.
    pub id: i64,
    /// Organization whose data is concerned: 0 for data that belongs to none, `None` for every organization.
    pub organization_id: Option<i64>,
}

impl DataSubject {
    /// Returns `true` if the holding can have rows of this person: only users are found by user id, and only patients
    /// by patient id.
    pub(super) fn may_be_in(&self, holding: &Holding) -> bool {
        match holding.found {
            Found::User(_) | Found::AuditEntry(_) | Found::Pseudonym(_) => self.kind == SubjectKind::User,
            Found::Patient(_) => self.kind == SubjectKind::Patient,
            Found::Entity | Found::Erasure | Found::DryRun => true,
        }
    }
}

/// Extent of an erasure.
///
/// - `erase`: deletes data that the law does not require to be kept, and anonymizes the rest
/// - `anonymize`: keeps data that can be kept without identifying the person, and deletes the rest
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum ErasureMode {
    #[default]
    Erase,
    Anonymize,
}

impl ErasureMode {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Erase => "erase",
            Self::Anonymize => "anonymize",
        }
    }

    pub(super) fn from_column(text: &str) -> Self {
        if text == "anonymize" { Self::Anonymize } else { Self::Erase }
    }

    pub(super) fn fate(self, holding: &Holding) -> Fate {
        match self {
            Self::Erase => holding.erase,
            Self::Anonymize => holding.anonymize,
        }
    }
}

/// Request for an erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ErasureRequest {
    pub id: Uuid,
    pub subject: DataSubject,
    pub mode: ErasureMode,
    pub dry_run: bool,
}

/// Status of a job.
///
/// - `queued`: the job has not started
/// - `running`: the job is in progress; failed steps are retried until they succeed
/// - `finished`: every step of the receipt is done and verified
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum ErasureStatus {
    Queued,
    Running,
    Finished,
}

impl ErasureStatus {
    /// Returns the status that the times of a job imply.
    pub(super) fn of(started_at: Option<DateTime<Utc>>, finished_at: Option<DateTime<Utc>>) -> Self {
        match (started_at, finished_at) {
            (_, Some(_)) => Self::Finished,
            (Some(_), None) => Self::Running,
            (None, None) => Self::Queued,
        }
    }
}

/// Action on the rows.
///
/// - `delete`: the rows are deleted
/// - `anonymize`: the rows are kept without the person's data
/// - `retain`: the rows are kept unchanged; see `reason` and `until`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErasureAction {
    Delete,
    Anonymize,
    Retain,
}

/// Rows of a table in which the person is found in one way, and the action on them.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct ErasureItem {
    /// Store that holds the data: `postgresql` or `clickhouse`.
    pub store: String,
    /// Name of the table.
    pub table: String,
    /// Way in which the person is found (`user`, `patient`, `audit_entry`, `entity`, `erasure`, `dry_run` or
    /// `pseudonym`), then `:` and the column.
    pub found_by: String,
    /// Columns that contain the person's data.
    pub columns: Vec<String>,
    /// Action on the rows.
    pub action: ErasureAction,
    /// Number of rows: found in a plan; deleted, anonymized or retained in a receipt. In ClickHouse, rows that were
    /// sent twice count twice until they are merged.
    pub rows: u64,
    /// Reason for which the rows are retained.
    pub reason: Option<String>,
    /// End of the retention, in words, e.g. `three years after the erasure`.
    pub until: Option<String>,
}

impl ErasureItem {
    pub(super) fn new(holding: &Holding, mode: ErasureMode, rows: u64) -> Self {
        let (action, reason, until) = match mode.fate(holding) {
            Fate::Delete => (ErasureAction::Delete, None, None),
            Fate::Anonymize(_) => (ErasureAction::Anonymize, None, None),
            Fate::Retain { reason, until } => (ErasureAction::Retain, Some(reason.to_owned()), Some(until.to_owned())),
        };
        Self {
            store: holding.store.as_str().to_owned(),
            table: holding.table.to_owned(),
            found_by: holding.found.to_string(),
            columns: holding.columns.iter().map(|&column| column.to_owned()).collect(),
            action,
            rows,
            reason,
            until,
        }
    }

    /// Returns `true` if the item is about this holding.
    pub(super) fn is_of(&self, holding: &Holding) -> bool {
        self.store == holding.store.as_str()
            && self.table == holding.table
            && self.found_by == holding.found.to_string()
    }

    fn example() -> Self {
        let consents = HOLDINGS.iter().find(|holding| holding.table == "privacy.consents");
        Self::new(consents.unwrap_or(&HOLDINGS[0]), ErasureMode::Erase, 6)
    }
}

/// Failure of a step.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub(crate) struct ErasureFailure {
    /// Time of the failure.
    pub at: DateTime<Utc>,
    /// Description of the failure, without any value; the logs of that time state the cause.
    pub message: String,
}

/// Accepted erasure.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example)]
pub(crate) struct ErasureAccepted {
    /// Id of the job: the `request_id` of the erasure.
    pub job_id: Uuid,
    /// Status of the job.
    pub status: ErasureStatus,
    /// `true` if the job only makes the plan and changes nothing.
    pub dry_run: bool,
}

impl Example for ErasureAccepted {
    fn example() -> Self {
        Self { job_id: EXAMPLE_ID, status: ErasureStatus::Queued, dry_run: false }
    }
}

/// Job of an erasure, with its plan and receipt.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct ErasureJob {
    /// Id of the job.
    pub job_id: Uuid,
    /// Status of the job.
    pub status: ErasureStatus,
    /// `true` if the job only makes the plan and changes nothing.
    pub dry_run: bool,
    /// Extent of the erasure.
    pub mode: ErasureMode,
    /// Kind of the person's id.
    pub subject_kind: SubjectKind,
    /// Id of the person in Core.
    pub subject_id: i64,
    /// Organization whose data is erased, 0 for data that belongs to none; absent if the job covers every organization.
    pub organization_id: Option<i64>,
    /// Time of the request.
    pub requested_at: DateTime<Utc>,
    /// Time at which the job started; absent before that.
    pub started_at: Option<DateTime<Utc>>,
    /// Time at which every step was done and verified; absent before that.
    pub finished_at: Option<DateTime<Utc>>,
    /// Rows that were found at the start, one item for each table; empty before that.
    pub plan: Vec<ErasureItem>,
    /// Rows that were changed or retained; complete once `finished_at` is present. Empty for a dry run.
    pub receipt: Vec<ErasureItem>,
    /// The latest 20 failures of steps, the newest last. Failed steps are retried automatically.
    pub errors: Vec<ErasureFailure>,
}

impl Example for ErasureJob {
    fn example() -> Self {
        let moment = DateTime::from_timestamp(1_762_765_200, 0).unwrap_or_default();
        Self {
            job_id: EXAMPLE_ID,
            status: ErasureStatus::Finished,
            dry_run: false,
            mode: ErasureMode::Erase,
            subject_kind: SubjectKind::User,
            subject_id: 4711,
            organization_id: Some(3),
            requested_at: moment,
            started_at: Some(moment + chrono::TimeDelta::milliseconds(12)),
            finished_at: Some(moment + chrono::TimeDelta::minutes(3)),
            plan: vec![ErasureItem::example()],
            receipt: vec![ErasureItem::example()],
            errors: Vec::new(),
        }
    }
}

/// Export of all data about a person. This schema describes the document, which is sent while it is read.
#[derive(Debug, Clone, PartialEq, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct SubjectExport {
    /// Kind of the person's id.
    pub subject_kind: SubjectKind,
    /// Id of the person in Core.
    pub subject_id: i64,
    /// Organization whose data is exported; absent if the export covers every organization.
    pub organization_id: Option<i64>,
    /// Time at which the export started.
    pub exported_at: DateTime<Utc>,
    /// Data of the person, one item for each table.
    pub holdings: Vec<SubjectHolding>,
}

/// Rows of a table in which the person is found in one way.
#[derive(Debug, Clone, PartialEq, Object)]
pub(crate) struct SubjectHolding {
    /// Store that holds the data: `postgresql` or `clickhouse`.
    pub store: String,
    /// Name of the table.
    pub table: String,
    /// Way in which the person is found; see `found_by` of the items of a job.
    pub found_by: String,
    /// Rows, each an object with its columns. Columns about other people are left out; binary values are in
    /// hexadecimal.
    pub rows: Vec<Phi<serde_json::Value>>,
}

impl Example for SubjectExport {
    fn example() -> Self {
        let item = ErasureItem::example();
        let row = json!({ "organization_id": 3, "subject_id": 4711, "purpose": "analytics", "granted": true });
        Self {
            subject_kind: SubjectKind::User,
            subject_id: 4711,
            organization_id: Some(3),
            exported_at: DateTime::from_timestamp(1_762_765_200, 0).unwrap_or_default(),
            holdings: vec![SubjectHolding {
                store: item.store,
                table: item.table,
                found_by: item.found_by,
                rows: vec![row.into()],
            }],
        }
    }
}

const EXAMPLE_ID: Uuid = Uuid::from_u128(0x019a_6b1c_5d7e_7c3a_9b52_3f1e_0d6c_8a41);
