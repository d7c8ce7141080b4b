//! Steps of the patient's profile: the clinic's custom field and its value.

use anyhow::{Result, ensure};
use restartix_sdk::core::types::{self, CustomField, FieldEntity, FieldType, Profile};
use serde_json::{Value, json};

use super::clinic::Morning;
use super::trail::{Trail, Who};
use crate::call::{PAGE_SIZE, all, answer, faults, refusal};

/// Key of the custom field. All runs share the field, because a clinic has at most 500 of a kind.
pub(super) const FIELD: &str = "demo_dominant_hand";

impl Morning<'_> {
    /// The custom field, created unless an earlier run did; its key is not to be had again.
    pub(super) async fn custom_field(&self, trail: &mut Trail) -> Result<CustomField> {
        let body = json!({
            "entity": "patient",
            "key": FIELD,
            "definition": {
                "field_type": "single_choice",
                "label": "Dominant hand",
                "options": [{ "key": "left", "label": "Left" }, { "key": "right", "label": "Right" }],
                "phi": true,
            },
            "readable_by": ["specialist", "staff"],
            "writable_by": ["staff"],
        });
        let body: types::CreateCustomField = serde_json::from_value(body)?;
        let field = if let Some(field) = self.earlier_field(trail).await? {
            field
        } else {
            let created = self.cast.admin.custom_field_create().body(body.clone()).send().await;
            let created = answer("custom_field_create", created).await?;
            trail.expect(Who::Admin, "created", "custom_field", created.id, &created)?;
            created.into_inner()
        };
        let got = (field.key.as_str(), field.entity, field.definition.field_type, field.definition.phi);
        let expected = (FIELD, FieldEntity::Patient, FieldType::SingleChoice, true);
        ensure!(got == expected, "custom_field_create: expected key, entity, type and phi {expected:?}, got {got:?}");
        let again = self.cast.admin.custom_field_create().body(body).send().await;
        refusal("custom_field_create", 409, "custom_field_key_taken", again).await?;
        Ok(field)
    }

    /// The field of an earlier run, in use again if somebody has archived it.
    async fn earlier_field(&self, trail: &mut Trail) -> Result<Option<CustomField>> {
        let admin = &self.cast.admin;
        for archived in [false, true] {
            let fields = all(async |page| {
                let list = admin.custom_field_list().entity(FieldEntity::Patient).archived(archived);
                let list = list.page(page).page_size(PAGE_SIZE).send().await;
                let list = answer("custom_field_list", list).await?.into_inner();
                Ok((list.data, list.meta.total_pages))
            });
            let found = fields.await?.into_iter().find(|field| field.key.as_str() == FIELD);
            let Some(field) = found else { continue };
            if !archived {
                return Ok(Some(field));
            }
            let restored = admin.custom_field_restore().custom_field_id(field.id).send().await;
            let restored = answer("custom_field_restore", restored).await?;
            trail.expect(Who::Admin, "restored", "custom_field", restored.id, &restored)?;
            return Ok(Some(restored.into_inner()));
        }
        Ok(None)
    }

    /// The front desk gives the patient a value, which it finds again; a value that is no option is refused.
    pub(super) async fn profile_write(&self, patient: i64, trail: &mut Trail) -> Result<()> {
        let desk = &self.cast.staff;
        let empty = desk.patient_profile_get().patient_id(patient).send().await;
        let empty = answer("patient_profile_get", empty).await?;
        trail.expect(Who::Staff, "read", "patient", patient, &empty)?;
        ensure!(
            empty.version == 0 && empty.values.is_empty(),
            "patient_profile_get: expected a profile without values, got {:?}",
            *empty
        );
        let update = async |value: &str| {
            let values = [(FIELD.to_owned(), Value::from(value))].into_iter().collect();
            let body = types::UpdateProfile { version: 0, values };
            desk.patient_profile_update().patient_id(patient).body(body).send().await
        };
        let pointer = format!("/values/{FIELD}");
        faults("patient_profile_update", &[(pointer.as_str(), "option")], update("both").await).await?;
        let written = answer("patient_profile_update", update("right").await).await?;
        trail.expect(Who::Staff, "profile_updated", "patient", patient, &written)?;
        let read = self.profile_read(patient, "right", trail).await?;
        ensure!(read == *written, "patient_profile_get: expected {:?}, got {read:?}", *written);
        Ok(())
    }

    /// The patient's profile, in which the front desk finds this value.
    pub(super) async fn profile_read(&self, patient: i64, value: &str, trail: &mut Trail) -> Result<Profile> {
        let read = self.cast.staff.patient_profile_get().patient_id(patient).send().await;
        let read = answer("patient_profile_get", read).await?;
        trail.expect(Who::Staff, "read", "patient", patient, &read)?;
        let got = read.values.get(FIELD).map(|given| &given.value);
        ensure!(got == Some(&json!(value)), "patient_profile_get: expected the value {value:?}, got {got:?}");
        Ok(read.into_inner())
    }
}
