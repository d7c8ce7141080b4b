use chrono::{DateTime, TimeDelta, Utc};
use poem_openapi::{Object, types::Example};
use serde::Serialize;

use crate::ids::{AppointmentId, PatientId};

/// Request to merge another record of a patient.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct MergePatient {
    /// Id of the record that is merged into the patient's.
    pub(crate) merged_patient_id: PatientId,
    /// Version of the patient's record that the merge is based on; 409 `stale_version` if it is not the current one.
    #[oai(validator(minimum(value = "1")))]
    pub(crate) version: i64,
    /// Version of the merged record that the merge is based on; 409 `stale_version` if it is not the current one.
    #[oai(validator(minimum(value = "1")))]
    pub(crate) merged_version: i64,
}

impl Example for MergePatient {
    fn example() -> Self {
        let PatientMerge { merged_patient_id, .. } = PatientMerge::example();
        Self { merged_patient_id, version: 4, merged_version: 1 }
    }
}

/// Merge of a record into the record of the same patient.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct PatientMerge {
    /// Id of the patient whose record stays.
    pub(crate) patient_id: PatientId,
    /// Id of the merged record.
    pub(crate) merged_patient_id: PatientId,
    /// Time of the merge.
    pub(crate) merged_at: DateTime<Utc>,
}

impl Example for PatientMerge {
    fn example() -> Self {
        Self {
            patient_id: PatientId(27),
            merged_patient_id: PatientId(91),
            merged_at: DateTime::UNIX_EPOCH + TimeDelta::days(20_510),
        }
    }
}

/// Two appointments that overlap, one of each record.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Overlap {
    /// Id of the appointment of the patient whose record stays.
    pub(super) appointment_id: AppointmentId,
    /// Id of the appointment of the record to be merged.
    pub(super) merged_appointment_id: AppointmentId,
}
