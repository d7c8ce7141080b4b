//! Requests about segments. Their rules may name records, so the examples in the specification are not enough.

use serde_json::{Value, json};
use test_support::Fixture;
use uuid::Uuid;

use super::fixture::World;
use crate::segment::{evaluated, everybody};

/// Returns a rule with nothing but the id at `pointer`, and what it needs besides; `None` for a pointer that is in no
/// rule. Rules are nested as deep as the pointer says.
pub(super) fn rule_naming(pointer: &str, value: &Value) -> Option<Value> {
    let mut steps = pointer.strip_prefix("/rule/")?;
    let mut levels = 0;
    while let Some(rest) = steps.strip_prefix("rules/0/") {
        (steps, levels) = (rest, levels + 1);
    }
    let leaf = match steps {
        "segment_id" => json!({ "op": "is_member", "segment_id": value }),
        "custom_field/custom_field_id" => json!({ "op": "is_present", "custom_field": { "custom_field_id": value } }),
        "form/form_template_id" => {
            json!({ "op": "is_present", "form": { "form_template_id": value, "key": "pain" } })
        }
        "appointments/appointment_template_ids/0" => {
            json!({ "op": "is_present", "appointments": { "measure": "last_at", "appointment_template_ids": [value] } })
        }
        _ => return None,
    };
    Some((0..levels).fold(leaf, |rule, _| json!({ "op": "and", "rules": [rule] })))
}

impl World {
    /// Builds requests about segments, each of which has every patient as a member.
    pub(super) async fn of_segment(&self, operation: &str) -> Option<Fixture> {
        let admin = self.app.admin();
        let name = format!("Made {}", Uuid::new_v4());
        let by_id = || async { Fixture::default().with("segment_id", &evaluated(&admin, everybody()).await) };
        Some(match operation {
            "segment_list" => Fixture::default(),
            "segment_create" => Fixture::default().body(json!({ "name": name, "rule": everybody() })),
            "segment_get" | "segment_delete" | "segment_evaluate" | "segment_member_list" | "segment_history_list" => {
                by_id().await
            }
            "segment_update" => by_id().await.body(json!({ "version": 1, "name": name, "rule": everybody() })),
            "segment_preview" => Fixture::default().body(json!({ "rule": everybody() })),
            "segment_explain" => by_id().await.with("patient_id", &self.patient.id),
            "patient_segment_list" => {
                by_id().await;
                Fixture::default().with("patient_id", &self.patient.id)
            }
            _ => return None,
        })
    }
}
