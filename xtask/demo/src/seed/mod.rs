//! The demo clinics: accounts by SQL, because identities come from the identity provider and not from our API, and
//! everything else through Core's API by the people who would do it.
//!
//! Run again, it finds what it made and changes nothing; what somebody removed meanwhile comes back.

mod accounts;
mod clinic;
mod data;
mod plan;

use std::path::Path;

use anyhow::Result;
use serde_json::json;

use crate::stack::{self, BareStack};
use crate::tokens::Issuer;

/// Seeds the stack and prints who is there.
pub(crate) async fn run(path: &Path) -> Result<()> {
    let stack: BareStack = stack::read(path)?;
    let issuer = Issuer::of(&stack)?;
    let accounts = accounts::write(&stack.database_url).await?;
    let mut organizations = Vec::new();
    for (plan, accounts) in data::CLINICS.iter().zip(&accounts.clinics) {
        let patient_id = clinic::seed(&stack.core, &issuer, plan, accounts).await?;
        let person = |account: &accounts::Account| json!({ "clerk_id": account.clerk_id, "user_id": account.user_id });
        let mut patient = person(&accounts.patient);
        patient["patient_id"] = patient_id.into();
        organizations.push(json!({
            "id": accounts.organization_id,
            "slug": plan.slug,
            "people": {
                "admin": person(&accounts.admin),
                "specialist": person(&accounts.specialist),
                "staff": person(&accounts.staff),
                "patient": patient,
            },
        }));
    }
    let accounts::Account { clerk_id, user_id } = accounts.superadmin;
    println!(
        "{}",
        json!({ "superadmin": { "clerk_id": clerk_id, "user_id": user_id }, "organizations": organizations })
    );
    Ok(())
}
