use chrono::{DateTime, TimeDelta, Utc};
use poem_openapi::{Enum, Object, types::Example};
use uuid::Uuid;

use crate::ids::{Entity, OrganizationId};

/// Rows that are exported.
///
/// - `patients`: patients
/// - `appointments`: appointments and holds
/// - `forms`: forms of one template
/// - `segment_members`: members of a segment
/// - `audit`: entries of the audit trail
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, sqlx::Type)]
#[oai(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum ExportEntity {
    /// Patients.
    Patients,
    /// Appointments and holds.
    Appointments,
    /// Forms of one template.
    Forms,
    /// Members of a segment.
    SegmentMembers,
    /// Entries of the audit trail.
    Audit,
}

impl ExportEntity {
    /// Returns the name of the entity in requests, files and audit entries.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Patients => "patients",
            Self::Appointments => "appointments",
            Self::Forms => "forms",
            Self::SegmentMembers => "segment_members",
            Self::Audit => "audit",
        }
    }

    /// Returns the name of a file that is made at `time`.
    pub(super) fn file_name(self, time: DateTime<Utc>) -> String {
        format!("{}-{}.csv", self.as_str(), time.format("%Y-%m-%d"))
    }
}

/// State of an export.
///
/// - `queued`: it waits for its turn
/// - `running`: rows are read and written
/// - `succeeded`: the file can be downloaded
/// - `failed`: there is no file; see `error_code`
/// - `expired`: the file was deleted, because its time was over
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, sqlx::Type)]
#[oai(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub(crate) enum ExportState {
    /// It waits for its turn.
    Queued,
    /// Rows are read and written.
    Running,
    /// The file can be downloaded.
    Succeeded,
    /// There is no file.
    Failed,
    /// The file was deleted.
    Expired,
}

/// Export into a file.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct ExportJob {
    /// Id of the export.
    pub(crate) id: Uuid,
    /// Rows that are exported.
    pub(crate) entity: ExportEntity,
    /// State of the export. Failed attempts are repeated automatically.
    pub(crate) state: ExportState,
    /// Name of the file.
    pub(crate) file_name: String,
    /// Number of rows that the file is going to have, counted in the snapshot that it is made of; absent before that.
    pub(crate) rows_planned: Option<i64>,
    /// Number of rows that are written so far.
    pub(crate) rows_written: i64,
    /// Size of the file in bytes; absent until it is complete.
    pub(crate) bytes: Option<i64>,
    /// Link to the file, valid for five minutes from this answer; absent unless `state` is `succeeded`. Whoever has it
    /// needs no other credential.
    pub(crate) download_url: Option<String>,
    /// Reason of the failure; absent unless `state` is `failed`. `export_withdrawn`: a person was erased meanwhile or
    /// since, who may be in the file; ask for another export. `asker_not_allowed`: the person who asked for it is no
    /// administrator any more.
    pub(crate) error_code: Option<String>,
    /// Time of the request.
    pub(crate) created_at: DateTime<Utc>,
    /// Time at which the present or last attempt began; absent before the first.
    pub(crate) started_at: Option<DateTime<Utc>>,
    /// Time at which it succeeded or failed; absent before that.
    pub(crate) finished_at: Option<DateTime<Utc>>,
    /// Time until which the file is kept; absent until it is complete.
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

impl Example for ExportJob {
    fn example() -> Self {
        let created_at = DateTime::UNIX_EPOCH + TimeDelta::days(20_500);
        Self {
            id: Uuid::from_u128(0x019a_6b1c_5d7e_7c3a_9b52_3f1e_0d6c_8a41),
            entity: ExportEntity::Patients,
            state: ExportState::Running,
            file_name: ExportEntity::Patients.file_name(created_at),
            rows_planned: Some(250_000),
            rows_written: 81_250,
            bytes: None,
            download_url: None,
            error_code: None,
            created_at,
            started_at: Some(created_at + TimeDelta::seconds(1)),
            finished_at: None,
            expires_at: None,
        }
    }
}

/// Export as the entity of events and audit entries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExportRecord(pub(crate) Uuid);

impl Entity for ExportRecord {
    const TYPE: &'static str = "export";

    fn entity_id(&self) -> String {
        self.0.to_string()
    }
}

/// Returns the prefix of the keys of an organization's exports in S3, which no other file has.
pub(crate) fn files_prefix(organization: OrganizationId) -> String {
    format!("organizations/{organization}/exports/")
}

/// Returns the organization whose exports have this prefix; `None` if it is another prefix.
pub(super) fn files_organization(prefix: &str) -> Option<i64> {
    prefix.strip_prefix("organizations/")?.strip_suffix("/exports/")?.parse().ok()
}

/// Returns the key of the file of an export in S3.
pub(super) fn file_key(organization: OrganizationId, export: Uuid) -> String {
    format!("{}{export}.csv", files_prefix(organization))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_tell_their_organization() {
        let organization = OrganizationId(7);
        assert_eq!(files_organization(&files_prefix(organization)), Some(organization.0));
        for other in ["organizations/7/users/3/", "organizations/7/patients/3/exports/", "exports/"] {
            assert_eq!(files_organization(other), None, "{other}");
        }
    }
}
