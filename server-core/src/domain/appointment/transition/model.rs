use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::super::{error::AppointmentError, row::AppointmentRow, status::AppointmentStatus};
use crate::{
    domain::period::Period,
    ids::{
        AppointmentId, AppointmentSeriesId, AppointmentTemplateId, OrganizationId, PatientId, SpecialistId, SpecialtyId,
    },
};

/// State of an appointment that is locked for a change.
#[derive(Debug, Clone)]
pub(crate) struct AppointmentState {
    pub(crate) id: AppointmentId,
    pub(crate) uid: Uuid,
    pub(crate) organization_id: OrganizationId,
    /// Title in clear text, if written before titles were sealed; else empty.
    pub(crate) title: String,
    /// Sealed title; `None` if it has none.
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
    /// Holder, if it is a hold.
    pub(crate) holder: Option<String>,
    /// `true` if the hold has lapsed, expired or not.
    pub(crate) lapsed: bool,
    /// Time up to which its patient may cancel it; a move by the patient does not extend it.
    pub(crate) cancellable_until: DateTime<Utc>,
    /// Time up to which its patient may move it; a move by the patient does not extend it.
    pub(crate) movable_until: DateTime<Utc>,
}

impl AppointmentState {
    /// Returns the time that the appointment blocks.
    pub(crate) fn block(&self) -> Period {
        Period { start: self.block_start, end: self.block_end }
    }

    /// Returns the time that the appointment would block at another time, with its present buffers.
    pub(crate) fn block_at(&self, started_at: DateTime<Utc>, ended_at: DateTime<Utc>) -> Period {
        Period {
            start: started_at - (self.started_at - self.block_start),
            end: ended_at + (self.block_end - self.ended_at),
        }
    }

    /// Returns the names of the fields whose values an update has changed.
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

    /// Refuses a transition to `to` that the state machine does not allow.
    pub(crate) fn check(&self, to: AppointmentStatus) -> Result<(), AppointmentError> {
        if self.status.may_become(to) {
            return Ok(());
        }
        Err(AppointmentError::InvalidTransition { from: self.status, to })
    }
}
