use chrono::{DateTime, Utc};
use poem_openapi::{Object, types::Example};
use server_shared::{mark::ShownOnce, value::Line};

use crate::ids::{ImpersonationId, PatientId, UserId};

/// An administrator acting as a patient, for a stated reason and a short time.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct Impersonation {
    /// Its id.
    pub(crate) id: ImpersonationId,
    /// Whom the administrator acts as.
    pub(crate) patient_id: PatientId,
    /// The user of that patient.
    pub(crate) patient_user_id: UserId,
    /// The administrator.
    pub(crate) impersonator_user_id: UserId,
    /// Until when, unless it is ended before.
    pub(crate) expires_at: DateTime<Utc>,
    /// When it began.
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

/// An impersonation and the token to act with.
#[derive(Debug, Object)]
#[oai(example)]
pub(crate) struct ImpersonationToken {
    /// The impersonation.
    pub(crate) impersonation: Impersonation,
    /// To be sent as `Authorization: Bearer …`. This is the only time it is shown.
    pub(crate) token: ShownOnce<String>,
}

impl Example for ImpersonationToken {
    fn example() -> Self {
        let token = ShownOnce::new("rximp_h3Kd8QzAexampleexampleexampleexampleexample".to_owned());
        Self { impersonation: Impersonation::example(), token }
    }
}

/// Why and how long to act as a patient.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct BeginImpersonation {
    /// Why it is necessary; kept with the impersonation.
    pub(crate) reason: Line<1, 500>,
    /// How long, in minutes.
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
