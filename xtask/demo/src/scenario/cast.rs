//! The people of the morning, each with clients of its own.

use anyhow::{Context as _, Result, ensure};
use restartix_sdk::core::types::{Me, Role};
use restartix_sdk::{ClientBuilder, TelemetryTokens, core, telemetry};

use crate::call::answer;
use crate::stack::{Clinic, ReadyStack};

/// User agent of these calls in logs and in the audit trail.
const USER_AGENT: &str = "restartix-demo";

/// Everybody who calls.
pub(super) struct Cast {
    /// The clinic they work in.
    pub(super) home: i64,
    /// Organization of the stranger.
    elsewhere: i64,
    pub(super) admin: core::Client,
    pub(super) staff: core::Client,
    /// The specialist who has a login.
    pub(super) specialist: core::Client,
    /// The page of the patient who has a login.
    pub(super) patient: core::Client,
    /// Another clinic's admin.
    pub(super) stranger: core::Client,
    /// The same, who tries to work in this clinic.
    pub(super) intruder: core::Client,
    pub(super) admin_telemetry: telemetry::Client,
    pub(super) patient_telemetry: telemetry::Client,
}

/// Users that audit rows must name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Users {
    pub(super) admin: i64,
    pub(super) staff: i64,
    pub(super) specialist: i64,
    pub(super) patient: i64,
}

impl Cast {
    /// Clients with the stack's session tokens; those for Telemetry get theirs from Core.
    pub(super) fn new(stack: &ReadyStack, home: &Clinic, other: &Clinic) -> Result<Self> {
        let core = |clinic: &Clinic, role: &str, organization: i64| -> Result<core::Client> {
            let builder = ClientBuilder::new(stack.core.as_str()).user_agent(USER_AGENT);
            Ok(builder.token(clinic.token(role)?).organization(organization).core()?)
        };
        let telemetry = |client: &core::Client| -> Result<telemetry::Client> {
            let builder = ClientBuilder::new(stack.telemetry.as_str()).user_agent(USER_AGENT);
            Ok(TelemetryTokens::new(client.clone()).client(builder)?)
        };
        let admin = core(home, "admin", home.id)?;
        let patient = core(home, "patient", home.id)?;
        Ok(Self {
            home: home.id,
            elsewhere: other.id,
            staff: core(home, "staff", home.id)?,
            specialist: core(home, "specialist", home.id)?,
            stranger: core(other, "admin", other.id)?,
            intruder: core(other, "admin", home.id)?,
            admin_telemetry: telemetry(&admin)?,
            patient_telemetry: telemetry(&patient)?,
            admin,
            patient,
        })
    }

    /// Everybody is who the stack says.
    pub(super) async fn sign_in(&self) -> Result<Users> {
        let admin = who("admin", &self.admin, Role::Admin, self.home).await?;
        let staff = who("front desk", &self.staff, Role::Staff, self.home).await?;
        let specialist = who("specialist", &self.specialist, Role::Specialist, self.home).await?;
        let patient = who("patient", &self.patient, Role::Patient, self.home).await?;
        who("another clinic's admin", &self.stranger, Role::Admin, self.elsewhere).await?;
        patient.patient_id.context("the patient's user: expected a patient record, got none")?;
        Ok(Users { admin: admin.id, staff: staff.id, specialist: specialist.id, patient: patient.id })
    }
}

async fn who(name: &str, client: &core::Client, role: Role, organization: i64) -> Result<Me> {
    let me = answer(&format!("GET /v1/me of the {name}"), client.me_get().send().await).await?.into_inner();
    let got = (me.role, me.organization_id);
    ensure!(
        got == (Some(role), Some(organization)),
        "GET /v1/me of the {name}: expected role {role} in organization {organization}, got {got:?}"
    );
    Ok(me)
}
