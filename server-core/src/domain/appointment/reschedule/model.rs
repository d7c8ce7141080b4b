use chrono::{DateTime, TimeDelta, Utc};
use poem_openapi::{Object, types::Example};

use super::super::model::Appointment;
use crate::ids::{RescheduleId, SpecialistId, UserId};

/// Where an appointment moves to.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct RescheduleAppointment {
    /// When it begins then; it lasts as long as before.
    pub(crate) started_at: DateTime<Utc>,
    /// Who treats then; left out, who does now.
    pub(crate) specialist_id: Option<SpecialistId>,
    /// The version that this change was made from; left out, whichever is there.
    #[oai(validator(minimum(value = "1")))]
    pub(crate) version: Option<i64>,
}

impl Example for RescheduleAppointment {
    fn example() -> Self {
        let Appointment { started_at, version, .. } = Appointment::example();
        Self { started_at: started_at + TimeDelta::days(1), specialist_id: None, version: Some(version) }
    }
}

/// A move of an appointment.
#[derive(Debug, Clone, Object, sqlx::FromRow)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct Reschedule {
    /// Its id.
    pub(crate) id: RescheduleId,
    /// Who was to treat.
    pub(crate) from_specialist_id: SpecialistId,
    /// When it was to begin.
    pub(crate) from_started_at: DateTime<Utc>,
    /// When it was to end.
    pub(crate) from_ended_at: DateTime<Utc>,
    /// Who treated from then on.
    pub(crate) to_specialist_id: SpecialistId,
    /// When it began from then on.
    pub(crate) to_started_at: DateTime<Utc>,
    /// When it ended from then on.
    pub(crate) to_ended_at: DateTime<Utc>,
    /// Who moved it; absent when that user is gone, or it was a program.
    pub(crate) user_id: Option<UserId>,
    /// When it was moved.
    pub(crate) created_at: DateTime<Utc>,
}

impl Example for Reschedule {
    fn example() -> Self {
        let Appointment { started_at, ended_at, specialist_id, user_id, created_at, .. } = Appointment::example();
        Self {
            id: RescheduleId(17),
            from_specialist_id: specialist_id,
            from_started_at: started_at - TimeDelta::days(1),
            from_ended_at: ended_at - TimeDelta::days(1),
            to_specialist_id: specialist_id,
            to_started_at: started_at,
            to_ended_at: ended_at,
            user_id,
            created_at: created_at + TimeDelta::days(2),
        }
    }
}
