//! Requests for exports of tables.

use restartix_sdk::core::types::ExportState;
use serde_json::{Value, json};
use test_support::{Fixture, Parameter, granted, in_days};

use super::fixture::World;
use crate::{export::wanted, export_file::ended, form_template::published};

/// Returns the body that exports the patient of the home clinic.
fn of_patient() -> Value {
    json!({ "patients": { "columns": ["id"], "search": "Pia Own" } })
}

impl World {
    pub(super) async fn of_export(&self, operation: &str) -> Option<Fixture> {
        Some(match operation {
            "csv_export" | "export_job_create" => Fixture::default().body(of_patient()),
            "export_job_get" => {
                let admin = self.app.admin();
                let job = granted(admin.export_job_create().body(wanted(of_patient())).send().await, 202);
                // Its end would be seen as a change by the request.
                Fixture::default().with("job_id", &ended(&admin, job.id, ExportState::Succeeded).await.id)
            }
            _ => return None,
        })
    }

    /// Returns the request for a table of the entity that a parameter of the body belongs to, with this value of it.
    pub(super) async fn export_naming(&self, parameter: &Parameter, value: &Value) -> Fixture {
        let entity = parameter.pointer.split('/').nth(1).unwrap_or_default();
        let mut table = match entity {
            "forms" => json!({ "columns": ["id"], "form_template_id": published(&self.app.admin()).await.id }),
            "segment_members" => json!({ "columns": ["patient_id"] }),
            // Ids are unique only within a type.
            "audit" => json!({ "columns": ["id"], "from": in_days(0, 0), "entity_type": "patient" }),
            _ => json!({ "columns": ["id"] }),
        };
        table[&parameter.name] = value.clone();
        Fixture::default().body(json!({ entity: table }))
    }
}
