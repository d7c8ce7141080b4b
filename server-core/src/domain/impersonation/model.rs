use chrono::{DateTime, Utc};
use poem_openapi::{Object, types::Example};
use server_shared::{mark::ShownOnce, value::Line};

use crate::ids::{ImpersonationId, PatientId, UserId};

/// Period in which an administrator acts as a patient, for a stated reason.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct Impersonation {
    /// Id of the impersonation.
    pub(crate) id: ImpersonationId,
    /// Id of the patient.
    pub(crate) patient_id: PatientId,
    /// Id of the patient's user.
    pub(crate) patient_user_id: UserId,
    /// Id of the administrator.
    pub(crate) impersonator_user_id: UserId,
    /// Time at which it expires, unless it is ended earlier.
    pub(crate) expires_at: DateTime<Utc>,
    /// Time at which it began.
    pub(crate) created_at: DateTime<Utc>,
}

impl Example for Impersonation {
    fn example() -> Self {
        let created_at = DateTime::UNIX_EPOCH + chrono::TimeDelta::days(20_500);
        Self {
            id: ImpersonationId(2),
            patient_id: PatientId(31),
            patient_user_id: UserId(54),
            impersonator_user_id: UserId(12),
            expires_at: created_at + chrono::TimeDelta::minutes(15),
            created_at,
        }
    }
}

/// Impersonation with its token.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct ImpersonationToken {
    /// Impersonation.
    pub(crate) impersonation: Impersonation,
    /// Token, to be sent as `Authorization: Bearer …`. It is shown only once.
    pub(crate) token: ShownOnce<String>,
}

impl Example for ImpersonationToken {
    fn example() -> Self {
        let token = ShownOnce::new("rximp_h3Kd8QzAexampleexampleexampleexampleexample".to_owned());
        Self { impersonation: Impersonation::example(), token }
    }
}

/// Reason and duration of an impersonation.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct BeginImpersonation {
    /// Reason for the impersonation, which is stored with it.
    pub(crate) reason: Line<1, 500>,
    /// Duration in minutes.
    #[oai(default = "quarter_of_an_hour", validator(minimum(value = "1"), maximum(value = "30")))]
    pub(crate) minutes: u32,
}

fn quarter_of_an_hour() -> u32 {
    15
}

impl Example for BeginImpersonation {
    fn example() -> Self {
        Self { reason: Line::from_static("The patient can't find the form; called on the phone."), minutes: 15 }
    }
}
