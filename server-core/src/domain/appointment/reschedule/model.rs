use chrono::{DateTime, TimeDelta, Utc};
use poem_openapi::{Object, types::Example};
use server_shared::value::Moment;

use super::super::model::Appointment;
use crate::ids::{RescheduleId, SpecialistId, UserId};

/// Request to move an appointment.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct RescheduleAppointment {
    /// New start of the appointment, whose duration does not change.
    pub(crate) started_at: Moment,
    /// Id of the new specialist; the present one if left out.
    pub(crate) specialist_id: Option<SpecialistId>,
    /// Version that the change is based on; 409 `stale_version` if it is not the current one. Not checked if left out.
    #[oai(validator(minimum(value = "1")))]
    pub(crate) version: Option<i64>,
}

impl Example for RescheduleAppointment {
    fn example() -> Self {
        let Appointment { started_at, version, .. } = Appointment::example();
        Self {
            started_at: Moment::nearest(started_at + TimeDelta::days(1)),
            specialist_id: None,
            version: Some(version),
        }
    }
}

/// Move of an appointment.
#[derive(Debug, Clone, Object, sqlx::FromRow)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct Reschedule {
    /// Id of the move.
    pub(crate) id: RescheduleId,
    /// Id of the specialist before the move.
    pub(crate) from_specialist_id: SpecialistId,
    /// Start before the move.
    pub(crate) from_started_at: DateTime<Utc>,
    /// End before the move.
    pub(crate) from_ended_at: DateTime<Utc>,
    /// Id of the specialist after the move.
    pub(crate) to_specialist_id: SpecialistId,
    /// Start after the move.
    pub(crate) to_started_at: DateTime<Utc>,
    /// End after the move.
    pub(crate) to_ended_at: DateTime<Utc>,
    /// Id of the user who moved it; absent if an API key moved it or the user was erased.
    pub(crate) user_id: Option<UserId>,
    /// Time of the move.
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
