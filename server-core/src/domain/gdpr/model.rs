use chrono::{DateTime, TimeDelta, Utc};
use poem_openapi::{Enum, Object, types::Example};
use restartix_sdk::telemetry::types as telemetry;
use serde::{Deserialize, Serialize};
use server_shared::mark::Phi;
use uuid::Uuid;

use crate::{
    holding::{Fate, Holding},
    ids::{Entity, OrganizationId, PatientId, UserId},
    jobs::JobState,
};

/// Kind of the person's id.
///
/// - `user`: id of a user; covers every patient and specialist record that is linked to the user
/// - `patient`: id of a patient record; covers records that were merged into it, but not a linked user
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub(crate) enum SubjectKind {
    User,
    Patient,
}

/// Person of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub(crate) enum Subject {
    User(UserId),
    Patient(PatientId),
}

impl Subject {
    pub(super) fn kind(self) -> SubjectKind {
        match self {
            Self::User(_) => SubjectKind::User,
            Self::Patient(_) => SubjectKind::Patient,
        }
    }

    pub(super) fn id(self) -> i64 {
        match self {
            Self::User(id) => id.0,
            Self::Patient(id) => id.0,
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Patient(_) => "patient",
        }
    }

    /// Returns the key that erasures of the same person in the same mode share.
    pub(super) fn key(self, mode: ErasureMode) -> String {
        format!("{}:{}:{}", mode.as_str(), self.noun(), self.id())
    }
}

/// Extent of the erasure.
///
/// - `erase`: deletes data that the law does not require to be kept, and anonymizes the rest
/// - `anonymize`: keeps data that can be kept without identifying the person, and deletes the rest
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErasureMode {
    Erase,
    Anonymize,
}

impl ErasureMode {
    /// Returns the mode's name in keys and in stored work.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Erase => "erase",
            Self::Anonymize => "anonymize",
        }
    }

    pub(super) fn fate(self, holding: &Holding) -> Fate {
        match self {
            Self::Erase => holding.erase,
            Self::Anonymize => holding.anonymize,
        }
    }

    pub(super) fn telemetry(self) -> telemetry::ErasureMode {
        match self {
            Self::Erase => telemetry::ErasureMode::Erase,
            Self::Anonymize => telemetry::ErasureMode::Anonymize,
        }
    }
}

/// Service that holds data.
///
/// - `core`: this service
/// - `telemetry`: the service for audit, analytics, media and pose data
/// - `clerk`: the identity provider
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub(crate) enum HoldingService {
    Core,
    Telemetry,
    Clerk,
}

/// Action on the rows.
///
/// - `delete`: the rows are deleted
/// - `anonymize`: the rows are kept without the person's data
/// - `destroy_key`: the encryption key is destroyed, so that data encrypted with it can't be decrypted any more, not
///   even in backups
/// - `retain`: the rows are kept unchanged; see `reason` and `until`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErasureAction {
    Delete,
    Anonymize,
    DestroyKey,
    Retain,
}

/// Rows of a table, or items of another store, in which the person is found in one way, and the action on them.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct ErasureItem {
    /// Service that holds the data.
    pub(crate) service: HoldingService,
    /// Store that holds the data: `postgresql`, `redis`, `s3`, `clickhouse` or `users` (of the identity provider).
    pub(crate) store: String,
    /// Name of the table; for Redis and S3, prefix or pattern of the keys.
    pub(crate) table: String,
    /// Way in which the person is found (`user`, `address`, `patient`, `specialist`, `data_key`, `audit_entry`,
    /// `organization`, `entity`, `erasure`, `pseudonym` or `key`), then `:` and the column.
    pub(crate) found_by: String,
    /// Columns that contain the person's data.
    pub(crate) columns: Vec<String>,
    /// Action on the rows.
    pub(crate) action: ErasureAction,
    /// Number of rows, keys or objects: found in a plan; changed or retained in a receipt.
    pub(crate) rows: u64,
    /// Reason for which the rows are retained.
    pub(crate) reason: Option<String>,
    /// End of the retention, in words, e.g. `three years after the erasure`.
    pub(crate) until: Option<String>,
}

impl ErasureItem {
    /// Creates the item of one of Core's tables.
    pub(super) fn of(holding: &Holding, mode: ErasureMode, rows: u64) -> Self {
        let (action, reason, until) = match mode.fate(holding) {
            Fate::Delete => (ErasureAction::Delete, None, None),
            Fate::Anonymize(_) => (ErasureAction::Anonymize, None, None),
            Fate::DestroyKey(_) => (ErasureAction::DestroyKey, None, None),
            Fate::Retain { reason, until } => (ErasureAction::Retain, Some(reason.to_owned()), Some(until.to_owned())),
        };
        Self {
            service: HoldingService::Core,
            store: "postgresql".to_owned(),
            table: holding.table.to_owned(),
            found_by: holding.found.to_string(),
            columns: holding.columns.iter().map(|column| column.name.to_owned()).collect(),
            action,
            rows,
            reason,
            until,
        }
    }

    /// Adds the rows to the item with the same place and action, or appends the item.
    pub(super) fn add_to(self, items: &mut Vec<Self>) {
        let same = |item: &&mut Self| {
            (item.service, &item.store, &item.table, &item.found_by, item.action)
                == (self.service, &self.store, &self.table, &self.found_by, self.action)
        };
        match items.iter_mut().find(same) {
            Some(item) => item.rows += self.rows,
            None => items.push(self),
        }
    }

    /// Creates the item of data that is deleted outside tables.
    pub(super) fn deleted(service: HoldingService, store: &str, table: String, rows: u64) -> Self {
        Self {
            service,
            store: store.to_owned(),
            table,
            found_by: "key:name".to_owned(),
            columns: Vec::new(),
            action: ErasureAction::Delete,
            rows,
            reason: None,
            until: None,
        }
    }
}

impl From<telemetry::ErasureItem> for ErasureItem {
    fn from(item: telemetry::ErasureItem) -> Self {
        Self {
            service: HoldingService::Telemetry,
            store: item.store,
            table: item.table,
            found_by: item.found_by,
            columns: item.columns,
            action: match item.action {
                telemetry::ErasureAction::Delete => ErasureAction::Delete,
                telemetry::ErasureAction::Anonymize => ErasureAction::Anonymize,
                telemetry::ErasureAction::Retain => ErasureAction::Retain,
            },
            rows: u64::try_from(item.rows).unwrap_or_default(),
            reason: item.reason,
            until: item.until,
        }
    }
}

/// Accepted erasure.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example)]
pub(crate) struct ErasureAccepted {
    /// Id of the job.
    pub(crate) job_id: Uuid,
    /// Status of the job.
    pub(crate) status: JobState,
    /// `true` if the job only makes the plan and changes nothing.
    pub(crate) dry_run: bool,
}

impl Example for ErasureAccepted {
    fn example() -> Self {
        Self { job_id: EXAMPLE_ID, status: JobState::Queued, dry_run: false }
    }
}

/// Job of an erasure, with its plan and receipt.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct ErasureJob {
    /// Id of the job.
    pub(crate) job_id: Uuid,
    /// Status of the job. Failed attempts are retried automatically.
    pub(crate) status: JobState,
    /// `true` if the job only makes the plan and changes nothing.
    pub(crate) dry_run: bool,
    /// Extent of the erasure.
    pub(crate) mode: ErasureMode,
    /// Kind of the person's id.
    pub(crate) subject_kind: SubjectKind,
    /// Id of the person.
    pub(crate) subject_id: i64,
    /// Organization whose data is erased; absent if the job covers every organization.
    pub(crate) organization_id: Option<OrganizationId>,
    /// `true` if the job also erases the user's account.
    pub(crate) account: bool,
    /// Rows that were found at the start, one item for each table or other store; empty before that. Telemetry's items
    /// are added once Telemetry has finished its part.
    pub(crate) plan: Vec<ErasureItem>,
    /// Rows that were changed or retained, one item for each table or other store; complete once `status` is
    /// `succeeded`. Empty for a dry run.
    pub(crate) receipt: Vec<ErasureItem>,
    /// Number of attempts so far.
    pub(crate) attempts: i32,
    /// Error code of the last failed attempt; absent if none has failed.
    pub(crate) last_error: Option<String>,
    /// Time of the request.
    pub(crate) requested_at: DateTime<Utc>,
    /// Time of the first attempt; absent before it.
    pub(crate) started_at: Option<DateTime<Utc>>,
    /// Time at which the job finished; absent before that.
    pub(crate) finished_at: Option<DateTime<Utc>>,
}

/// Erasure as the entity of audit rows.
#[derive(Debug, Clone)]
pub(crate) struct ErasureRecord(pub(super) Uuid);

impl Entity for ErasureRecord {
    const TYPE: &'static str = "erasure";

    fn entity_id(&self) -> String {
        self.0.to_string()
    }
}

impl Example for ErasureJob {
    fn example() -> Self {
        let moment = DateTime::UNIX_EPOCH + TimeDelta::days(20_500);
        let item = ErasureItem {
            service: HoldingService::Core,
            store: "postgresql".to_owned(),
            table: "data_keys".to_owned(),
            found_by: "data_key:id".to_owned(),
            columns: vec!["wrapped".to_owned()],
            action: ErasureAction::DestroyKey,
            rows: 1,
            reason: None,
            until: None,
        };
        Self {
            job_id: EXAMPLE_ID,
            status: JobState::Succeeded,
            dry_run: false,
            mode: ErasureMode::Erase,
            subject_kind: SubjectKind::Patient,
            subject_id: 27,
            organization_id: Some(OrganizationId(1)),
            account: false,
            plan: vec![item.clone()],
            receipt: vec![item],
            attempts: 1,
            last_error: None,
            requested_at: moment,
            started_at: Some(moment + TimeDelta::milliseconds(12)),
            finished_at: Some(moment + TimeDelta::seconds(3)),
        }
    }
}

/// Export of all data about a person. This schema describes the document, which is sent while it is read.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct PersonExport {
    /// Kind of the person's id.
    pub(crate) subject_kind: SubjectKind,
    /// Id of the person.
    pub(crate) subject_id: i64,
    /// Organization whose data is erased; absent if the job covers every organization.
    pub(crate) organization_id: Option<OrganizationId>,
    /// Time at which the export started.
    pub(crate) exported_at: DateTime<Utc>,
    /// Data in Core, one item for each table or other store.
    pub(crate) core: Vec<ExportedHolding>,
    /// Data in Telemetry: one document for the user and one for each patient record.
    pub(crate) telemetry: Vec<Phi<serde_json::Value>>,
}

/// Rows of a table in which the person is found in one way.
#[derive(Debug, Clone, Object)]
pub(crate) struct ExportedHolding {
    /// Store that holds the data: `postgresql` or `s3`.
    pub(crate) store: String,
    /// Name of the table; for S3, prefix of the keys.
    pub(crate) table: String,
    /// Way in which the person is found; see `found_by` of the items of an erasure.
    pub(crate) found_by: String,
    /// Rows, each an object with its columns. Columns about other people are left out.
    pub(crate) rows: Vec<Phi<serde_json::Value>>,
}

impl Example for PersonExport {
    fn example() -> Self {
        let row =
            serde_json::json!({ "id": 27, "first_name": "Grace", "last_name": "Sample", "phone": "+49 30 1234567" });
        Self {
            subject_kind: SubjectKind::Patient,
            subject_id: 27,
            organization_id: Some(OrganizationId(1)),
            exported_at: DateTime::UNIX_EPOCH + TimeDelta::days(20_500),
            core: vec![ExportedHolding {
                store: "postgresql".to_owned(),
                table: "patients".to_owned(),
                found_by: "patient:id".to_owned(),
                rows: vec![row.into()],
            }],
            telemetry: Vec::new(),
        }
    }
}

const EXAMPLE_ID: Uuid = Uuid::from_u128(0x019a_6b1c_5d7e_7c3a_9b52_3f1e_0d6c_8a41);
