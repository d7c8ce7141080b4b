//! Requests for operations on form templates that take more than the examples in the specification, and for those on
//! forms and on the forms of appointments.

use restartix_sdk::core::types::{Form, SigningMeaning};
use serde_json::json;
use test_support::{Fixture, in_days};

use super::fixture::World;
use crate::{
    form::opened,
    form_appointment::{asking, booking},
    form_submit::{filled, sign, template},
    form_template::{created, definition, published, redraft, scale},
    form_template_publish::publish,
};

impl World {
    /// Builds requests about the publication, the versions and the preview of a form template; `None` for the ordinary
    /// operations.
    pub(super) async fn of_form_template(&self, operation: &str) -> Option<Fixture> {
        let admin = self.app.admin();
        let by_id = |id: i64| Fixture::default().with("form_template_id", &id);
        Some(match operation {
            "form_template_publish" => {
                let template = created(&admin).await;
                by_id(template.id).body(json!({ "version": template.version }))
            }
            "form_template_version_list" => by_id(published(&admin).await.id),
            "form_template_version_get" => by_id(published(&admin).await.id).with("version", &1),
            "form_template_preview" => by_id(created(&admin).await.id).body(json!({ "values": {} })),
            _ => return None,
        })
    }

    /// Builds requests about forms of the patient; `None` for operations on something else.
    pub(super) async fn of_form(&self, operation: &str) -> Option<Fixture> {
        let admin = self.app.admin();
        let by_id = |form: &Form| Fixture::default().with("form_id", &form.id);
        let form = || async { opened(&admin, published(&admin).await.id, self.patient.id).await };
        Some(match operation {
            "form_list" => Fixture::default(),
            "form_create" => Fixture::default().body(json!({
                "form_template_id": published(&admin).await.id, "patient_id": self.patient.id,
            })),
            "form_get" | "form_history_list" | "form_write_back_get" => by_id(&form().await),
            "form_update" => {
                let form = form().await;
                by_id(&form).body(json!({ "version": form.version, "values": { "pain": 3 } }))
            }
            // A patient deletes only its own making.
            "form_delete" => by_id(&opened(&self.app.patient(), published(&admin).await.id, self.patient.id).await),
            "form_submit" => {
                let form = form().await;
                by_id(&form).body(json!({ "version": form.version }))
            }
            "form_sign" => {
                let is_patient = self.asker.get() == self.app.home().patient.user_id;
                let form = self.to_be_signed(if is_patient { "patient" } else { "specialist" }).await;
                by_id(&form).body(json!({ "version": form.version, "meaning": "completion" }))
            }
            "form_amend" => {
                let form = self.to_be_signed("specialist").await;
                let form = sign(&self.app.specialist(), &form, SigningMeaning::Completion).await;
                by_id(&form).body(json!({ "version": form.version }))
            }
            "form_void" => {
                let form = form().await;
                by_id(&form).body(json!({ "version": form.version, "reason": "For another patient." }))
            }
            "form_migrate" => {
                let template = published(&admin).await;
                let form = opened(&admin, template.id, self.patient.id).await;
                let next = redraft(&admin, &template, &definition(&[scale("pain"), scale("fatigue")])).await;
                publish(&admin, &next).await;
                by_id(&form).body(json!({ "version": form.version }))
            }
            _ => return None,
        })
    }

    /// Creates a submitted form of the patient that is complete with the signature of this role.
    async fn to_be_signed(&self, signer: &str) -> Form {
        let admin = self.app.admin();
        let template = template(&admin, &[scale("pain")], &[(signer, "completion")]).await;
        filled(&admin, &template, self.patient.id, json!({ "pain": 3 })).await
    }

    /// Builds requests about the forms that belong to an appointment, or that are due for a patient.
    pub(super) async fn of_appointment_form(&self, operation: &str) -> Option<Fixture> {
        let admin = self.app.admin();
        Some(match operation {
            "appointment_from_template" => {
                let template = asking(&admin, &[published(&admin).await.id]).await;
                let begins = in_days(self.next_day(), 9);
                Fixture::default().body(booking(&self.app, template, self.patient.id, begins))
            }
            "appointment_forms_attach" => {
                let forms = json!({ "form_template_ids": [published(&admin).await.id] });
                Fixture::default().with("appointment_id", &self.booked().await.id).body(forms)
            }
            "me_form_list" => {
                opened(&admin, published(&admin).await.id, self.patient.id).await;
                Fixture::default()
            }
            "patient_prefill_get" => {
                let asked = published(&admin).await.id;
                Fixture::default().with("patient_id", &self.patient.id).with("form_template_id", &asked)
            }
            _ => return None,
        })
    }
}
