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

/// What the subject's id is the id of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub(crate) enum SubjectKind {
    /// A user, with every record that is linked to it.
    User,
    /// A patient record, without its user if it has one.
    Patient,
}

/// Whose data is meant.
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

    /// What tells erasures of the same person apart from others'.
    pub(super) fn key(self, mode: ErasureMode) -> String {
        let mode = match mode {
            ErasureMode::Erase => "erase",
            ErasureMode::Anonymize => "anonymize",
        };
        format!("{mode}:{}:{}", self.noun(), self.id())
    }
}

/// How far an erasure goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErasureMode {
    /// Deletes what the law doesn't require to be kept, and anonymizes the rest.
    Erase,
    /// Keeps what can be kept without naming anybody, and deletes what can't.
    Anonymize,
}

impl ErasureMode {
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

/// Where something is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub(crate) enum HoldingService {
    /// This service.
    Core,
    /// Its sibling for audit, analytics, media and pose data.
    Telemetry,
    /// The identity provider.
    Clerk,
}

/// What becomes of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErasureAction {
    /// It goes.
    Delete,
    /// It stays and names nobody any more.
    Anonymize,
    /// The key is destroyed: what was sealed with it opens nowhere any more, backups included.
    DestroyKey,
    /// It stays as it is; see `reason` and `until`.
    Retain,
}

/// A table, or another place, in which the person is found one way, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct ErasureItem {
    /// Which service holds it.
    pub(crate) service: HoldingService,
    /// The store: `postgresql`, `redis`, `s3`, `clickhouse` or `users` (of the identity provider).
    pub(crate) store: String,
    /// The table, or the prefix or pattern of keys.
    pub(crate) table: String,
    /// Way in which the person is found, and the column: `user`, `address`, `patient`, `specialist`, `data_key`,
    /// `audit_entry`, `organization`, `entity`, `erasure`, `pseudonym` or `key`, then `:` and the column.
    pub(crate) found_by: String,
    /// The columns that are about the person.
    pub(crate) columns: Vec<String>,
    /// What becomes of the rows.
    pub(crate) action: ErasureAction,
    /// How many rows (or keys, or objects): to be changed in a plan, really changed in a receipt.
    pub(crate) rows: u64,
    /// Why they are retained.
    pub(crate) reason: Option<String>,
    /// How long they are retained.
    pub(crate) until: Option<String>,
}

impl ErasureItem {
    /// Rows of one of Core's tables.
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

    /// Adds it to what is listed of the same place and has the same end.
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

    /// What is deleted elsewhere than in a table.
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

/// What was asked for is under way.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example)]
pub(crate) struct ErasureAccepted {
    /// Id of the job.
    pub(crate) job_id: Uuid,
    /// How far it is.
    pub(crate) status: JobState,
    /// Whether nothing is changed and only the plan made.
    pub(crate) dry_run: bool,
}

impl Example for ErasureAccepted {
    fn example() -> Self {
        Self { job_id: EXAMPLE_ID, status: JobState::Queued, dry_run: false }
    }
}

/// An erasure: what it was to do and what it did.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct ErasureJob {
    /// Its id.
    pub(crate) job_id: Uuid,
    /// How far it is. What fails is tried again by itself.
    pub(crate) status: JobState,
    /// Whether nothing is changed and only the plan made.
    pub(crate) dry_run: bool,
    /// How far it goes.
    pub(crate) mode: ErasureMode,
    /// What the subject's id is the id of.
    pub(crate) subject_kind: SubjectKind,
    /// The subject's id.
    pub(crate) subject_id: i64,
    /// The organization whose data is meant; left out for all of them.
    pub(crate) organization_id: Option<OrganizationId>,
    /// True if the user's account is erased as well.
    pub(crate) account: bool,
    /// What was found at the beginning, place by place; empty before that. Telemetry's part comes
    /// once Telemetry has made its own.
    pub(crate) plan: Vec<ErasureItem>,
    /// What was really changed, and what was retained; complete once the job has succeeded. Empty for
    /// a dry run.
    pub(crate) receipt: Vec<ErasureItem>,
    /// How often it was begun.
    pub(crate) attempts: i32,
    /// Code of what went wrong in the last attempt that failed.
    pub(crate) last_error: Option<String>,
    /// When it was asked for.
    pub(crate) requested_at: DateTime<Utc>,
    /// When it was begun.
    pub(crate) started_at: Option<DateTime<Utc>>,
    /// When all of it was done.
    pub(crate) finished_at: Option<DateTime<Utc>>,
}

/// An erasure in audit rows on itself.
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

/// Everything that is held on a person. This describes the document; it is sent as it is read.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct PersonExport {
    /// What the subject's id is the id of.
    pub(crate) subject_kind: SubjectKind,
    /// The subject's id.
    pub(crate) subject_id: i64,
    /// The organization whose data is meant; left out for all of them.
    pub(crate) organization_id: Option<OrganizationId>,
    /// When reading began.
    pub(crate) exported_at: DateTime<Utc>,
    /// What Core holds, table by table.
    pub(crate) core: Vec<ExportedHolding>,
    /// What Telemetry holds: a document of its own for the user and for each patient record.
    pub(crate) telemetry: Vec<Phi<serde_json::Value>>,
}

/// The rows of a table in which the person is found one way.
#[derive(Debug, Clone, Object)]
pub(crate) struct ExportedHolding {
    /// The store: `postgresql` or `s3`.
    pub(crate) store: String,
    /// The table, or the prefix of keys.
    pub(crate) table: String,
    /// How the person is found; see the items of an erasure.
    pub(crate) found_by: String,
    /// The rows, each an object with its columns. What tells of others is left out.
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
