//! Requests about custom fields, and about profiles, which have their values.

use serde_json::json;
use test_support::{Fixture, granted};
use uuid::Uuid;

use super::fixture::World;
use crate::{
    custom_field::field,
    profile::{Of, get, noted_field, set},
};

impl World {
    /// Builds requests about custom fields that take more than the example of a body.
    pub(super) async fn of_custom_field(&self, operation: &str) -> Option<Fixture> {
        let admin = self.app.admin();
        let key = format!("made_{}", Uuid::new_v4().simple());
        Some(match operation {
            "custom_field_version_list" => {
                let made = field(&admin, "patient", &key, json!({ "field_type": "text" })).await;
                Fixture::default().with("custom_field_id", &made.id)
            }
            "custom_field_restore" => {
                let made = field(&admin, "patient", &key, json!({ "field_type": "text" })).await;
                let values = json!({ key: "kept" });
                let version = get(&admin, Of::Patient(self.patient.id)).await.version;
                set(&admin, Of::Patient(self.patient.id), version, values).await;
                granted(admin.custom_field_delete().custom_field_id(made.id).send().await, 204);
                Fixture::default().with("custom_field_id", &made.id)
            }
            _ => return None,
        })
    }

    /// Builds requests about profiles: they read or change the value of one field.
    pub(super) async fn of_profile(&self, operation: &str) -> Option<Fixture> {
        let home = self.app.home();
        let (entity, verb) = operation.split_once("_profile_")?;
        let (of, id) = match entity {
            "patient" => (Of::Patient(self.patient.id), self.patient.id),
            "specialist" => (Of::Specialist(home.specialist_id), home.specialist_id),
            "appointment" => (Of::Appointment(self.appointment.id), self.appointment.id),
            "organization" => (Of::Organization(home.id), home.id),
            _ => return None,
        };
        let admin = self.app.admin();
        let key = noted_field(&admin, entity).await;
        let fixture = Fixture::default().with(&format!("{entity}_id"), &id);
        if verb == "get" {
            return Some(fixture);
        }
        let version = get(&admin, of).await.version;
        let note = Uuid::new_v4().to_string();
        Some(fixture.body(json!({ "version": version, "values": { key: note } })))
    }
}
