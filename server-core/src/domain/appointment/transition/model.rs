use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::super::{error::AppointmentError, row::AppointmentRow, status::AppointmentStatus};
use crate::{
    domain::period::Period,
    ids::{
        AppointmentId, AppointmentSeriesId, AppointmentTemplateId, OrganizationId, PatientId, SpecialistId, SpecialtyId,
    },
};

/// What decides whether an appointment can change.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) id: AppointmentId,
    pub(crate) uid: Uuid,
    pub(crate) organization_id: OrganizationId,
    /// The title, where it was written before titles were sealed; else empty.
    pub(crate) title: String,
    /// The title; none is none.
    pub(crate) title_encrypted: Option<Vec<u8>>,
    pub(crate) status: AppointmentStatus,
    pub(crate) version: i64,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) ended_at: DateTime<Utc>,
    pub(crate) block_start: DateTime<Utc>,
    pub(crate) block_end: DateTime<Utc>,
    pub(crate) specialist_id: SpecialistId,
    pub(crate) patient_id: PatientId,
    pub(crate) specialty_id: Option<SpecialtyId>,
    pub(crate) appointment_series_id: Option<AppointmentSeriesId>,
    pub(crate) appointment_template_id: Option<AppointmentTemplateId>,
    /// Whose hold it is.
    pub(crate) holder: Option<String>,
    /// Whether it is a hold that has run out, or was one when it did.
    pub(crate) lapsed: bool,
    pub(crate) cancellation_cutoff_minutes: i32,
    pub(crate) reschedule_cutoff_minutes: i32,
}

impl Standing {
    /// What it keeps others out of.
    pub(crate) fn block(&self) -> Period {
        Period { start: self.block_start, end: self.block_end }
    }

    /// What it would keep others out of at another time: the buffers stay as they were stamped.
    pub(crate) fn block_at(&self, started_at: DateTime<Utc>, ended_at: DateTime<Utc>) -> Period {
        Period {
            start: started_at - (self.started_at - self.block_start),
            end: ended_at + (self.block_end - self.ended_at),
        }
    }

    /// Returns the names of the fields that have other values now, of those that an update replaces.
    pub(crate) fn changed(&self, now: &AppointmentRow, title: bool) -> Vec<&'static str> {
        let compared = [
            ("title", title),
            ("started_at", self.started_at != now.started_at),
            ("ended_at", self.ended_at != now.ended_at),
            ("specialist_id", self.specialist_id != now.specialist_id),
            ("patient_id", self.patient_id != now.patient_id),
            ("specialty_id", self.specialty_id != now.specialty_id),
        ];
        compared.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field).collect()
    }

    /// 409 unless it may become `to`.
    pub(crate) fn check(&self, to: AppointmentStatus) -> Result<(), AppointmentError> {
        if self.status.may_become(to) {
            return Ok(());
        }
        Err(AppointmentError::InvalidTransition { from: self.status, to })
    }

    /// Whether its beginning is less than a cut-off away: a stretch of time, whatever clocks do meanwhile.
    pub(crate) fn is_within(&self, cutoff_minutes: i32, now: DateTime<Utc>) -> bool {
        self.started_at - TimeDelta::minutes(cutoff_minutes.into()) <= now
    }
}
