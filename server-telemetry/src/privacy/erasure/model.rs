//! Erasures: of whom, how, and what came of it.

use chrono::{DateTime, Utc};
use poem_openapi::{Enum, Object, types::Example};
use serde::{Deserialize, Serialize};
use serde_json::json;
use server_shared::mark::Phi;
use uuid::Uuid;

use crate::privacy::registry::{Fate, Found, HOLDINGS, Holding};

/// What the subject's id is the id of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum SubjectKind {
    /// A user of Core.
    User,
    /// A patient record of Core, with or without a user.
    Patient,
}

impl SubjectKind {
    /// As rows and the audit trail name it.
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

/// Whose data is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DataSubject {
    pub kind: SubjectKind,
    /// Its id in Core.
    pub id: i64,
    /// 0 for what belongs to none, `None` for every organization.
    pub organization_id: Option<i64>,
}

impl DataSubject {
    /// Whether the subject can be in this holding: only users are in those found by user.
    pub(super) fn may_be_in(&self, holding: &Holding) -> bool {
        match holding.found {
            Found::User(_) | Found::AuditEntry(_) | Found::Pseudonym(_) => self.kind == SubjectKind::User,
            Found::Entity | Found::Erasure | Found::DryRun => true,
        }
    }
}

/// How far it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum ErasureMode {
    /// Deletes what the law doesn't require to be kept, and anonymizes the rest.
    #[default]
    Erase,
    /// Keeps what can be kept without naming anybody, and deletes what can't.
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

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ErasureRequest {
    pub id: Uuid,
    pub subject: DataSubject,
    pub mode: ErasureMode,
    pub dry_run: bool,
}

/// How far a job has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum ErasureStatus {
    /// Nobody has begun.
    Queued,
    /// Somebody works on it, or will again: what fails is tried until it succeeds.
    Running,
    /// Everything of the receipt is done and verified.
    Finished,
}

impl ErasureStatus {
    /// What the times of a job say.
    pub(super) fn of(started_at: Option<DateTime<Utc>>, finished_at: Option<DateTime<Utc>>) -> Self {
        match (started_at, finished_at) {
            (_, Some(_)) => Self::Finished,
            (Some(_), None) => Self::Running,
            (None, None) => Self::Queued,
        }
    }
}

/// What becomes of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErasureAction {
    /// They go.
    Delete,
    /// They stay and name nobody any more.
    Anonymize,
    /// They stay as they are; see `reason` and `until`.
    Retain,
}

/// A table in which the person is found one way, and what becomes of the rows.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct ErasureItem {
    /// The store: `postgresql` or `clickhouse`.
    pub store: String,
    /// The table.
    pub table: String,
    /// How the person is found, and in which column: `user`, `audit_entry`, `entity`, `erasure`,
    /// `dry_run` or `pseudonym`, then `:` and the column.
    pub found_by: String,
    /// The columns that are about the person.
    pub columns: Vec<String>,
    /// What becomes of the rows.
    pub action: ErasureAction,
    /// How many rows: found in a plan; deleted, anonymized or retained in a receipt. In ClickHouse
    /// what was sent twice counts twice until it is merged.
    pub rows: u64,
    /// Why they are retained.
    pub reason: Option<String>,
    /// How long they are retained.
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

    /// Whether it is about this holding.
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

/// Something that went wrong on the way.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub(crate) struct ErasureFailure {
    /// When.
    pub at: DateTime<Utc>,
    /// What, without any value; the logs of that time have the cause.
    pub message: String,
}

/// What was asked for is under way.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example)]
pub(crate) struct ErasureAccepted {
    /// Id of the job: the `request_id` that it was asked for with.
    pub job_id: Uuid,
    /// How far it has come.
    pub status: ErasureStatus,
    /// Whether nothing is changed and only the plan made.
    pub dry_run: bool,
}

impl Example for ErasureAccepted {
    fn example() -> Self {
        Self { job_id: EXAMPLE_ID, status: ErasureStatus::Queued, dry_run: false }
    }
}

/// A job: what it was to do and what it did.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct ErasureJob {
    /// Its id.
    pub job_id: Uuid,
    /// How far it has come.
    pub status: ErasureStatus,
    /// Whether nothing is changed and only the plan made.
    pub dry_run: bool,
    /// How far it goes.
    pub mode: ErasureMode,
    /// What the subject's id is the id of.
    pub subject_kind: SubjectKind,
    /// The subject's id in Core.
    pub subject_id: i64,
    /// The organization whose data is meant, 0 for what belongs to none; left out for all of them.
    pub organization_id: Option<i64>,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// When it was begun.
    pub started_at: Option<DateTime<Utc>>,
    /// When all of it was done and verified.
    pub finished_at: Option<DateTime<Utc>>,
    /// What was found at the beginning, table by table; empty before that.
    pub plan: Vec<ErasureItem>,
    /// What was really changed, and what was retained; complete once `finished_at` is there. Empty
    /// for a dry run.
    pub receipt: Vec<ErasureItem>,
    /// What went wrong on the way, the latest last; at most 20. The job is tried again by itself.
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

/// Everything that is held on a person. This describes the document; it is sent as it is read.
#[derive(Debug, Clone, PartialEq, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct SubjectExport {
    /// What the subject's id is the id of.
    pub subject_kind: SubjectKind,
    /// The subject's id in Core.
    pub subject_id: i64,
    /// The organization whose data is meant; left out for all of them.
    pub organization_id: Option<i64>,
    /// When reading began.
    pub exported_at: DateTime<Utc>,
    /// What is held, table by table.
    pub holdings: Vec<SubjectHolding>,
}

/// The rows of a table in which the person is found one way.
#[derive(Debug, Clone, PartialEq, Object)]
pub(crate) struct SubjectHolding {
    /// The store: `postgresql` or `clickhouse`.
    pub store: String,
    /// The table.
    pub table: String,
    /// How the person is found; see the items of a job.
    pub found_by: String,
    /// The rows, each an object with its columns. What tells of others is left out; binary values
    /// are hexadecimal.
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
