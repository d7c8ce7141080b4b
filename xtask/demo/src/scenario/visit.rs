//! Steps of a visit: it is booked with its form, which the patient fills in and both sign, and which is amended.

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, Days, NaiveTime, TimeDelta, Utc};
use restartix_sdk::core::types::{self, Appointment, Form, FormStatus, FormTemplate, SigningMeaning};
use restartix_sdk::{ResponseValue, core};
use serde_json::{Value, json};

use super::clinic::Morning;
use super::form::SCORE;
use super::profile::FIELD;
use super::trail::{Trail, Who};
use crate::calendar;
use crate::call::{PAGE_SIZE, all, answer, faults, refusal};

/// Field that asks for the value of the profile.
const HAND: &str = "hand";

impl Morning<'_> {
    /// The front desk books a visit of the patient who has a login. Its form begins with what the profile says.
    pub(super) async fn visit_book(&self, template: &FormTemplate, trail: &mut Trail) -> Result<Form> {
        let me = answer("me_get", self.cast.patient.me_get().send().await).await?;
        let patient = me.patient_id.context("me_get: expected a patient id, got none")?;
        let me = answer("me_get", self.cast.specialist.me_get().send().await).await?;
        let specialist = me.specialist_id.context("me_get: expected a specialist id, got none")?;
        self.profile_give(patient, "right", trail).await?;
        let body = json!({
            "name": self.run.name("First visit"), "duration_minutes": 45, "modality": "in_person",
            "cancellation_cutoff_minutes": 1440, "form_template_ids": [template.id],
        });
        let body: types::AppointmentTemplateInput = serde_json::from_value(body)?;
        let kind = self.cast.admin.appointment_template_create().body(body).send().await;
        let kind = answer("appointment_template_create", kind).await?;
        trail.expect(Who::Admin, "created", "appointment_template", kind.id, &kind)?;
        let started_at = self.free_from(specialist, patient).await?;
        let body = json!({
            "appointment_template_id": kind.id, "specialist_id": specialist, "patient_id": patient,
            "started_at": started_at,
        });
        let body: types::CreateAppointmentFromTemplate = serde_json::from_value(body)?;
        let booked = self.cast.staff.appointment_from_template().body(body).send().await;
        let booked = answer("appointment_from_template", booked).await?;
        trail.expect(Who::Staff, "created", "appointment", booked.appointment.id, &booked)?;
        let [form] = booked.forms.as_slice() else {
            anyhow::bail!("appointment_from_template: expected one form, got {:?}", booked.forms)
        };
        trail.expect(Who::Staff, "created", "form", form.id, &booked)?;
        let got = (form.appointment_id, form.due_at, form.form_template_id, form.status);
        let expected = (Some(booked.appointment.id), Some(started_at), template.id, FormStatus::Draft);
        ensure!(
            got == expected,
            "appointment_from_template: expected appointment, due time, template and status {expected:?}, got {got:?}"
        );
        let read = self.cast.staff.form_get().form_id(form.id).send().await;
        let read = answer("form_get", read).await?;
        trail.expect(Who::Staff, "read", "form", form.id, &read)?;
        let origin = read.prefilled.get(HAND).and_then(|origin| origin.profile.as_deref());
        let got = (read.values.get(HAND), origin);
        ensure!(
            got == (Some(&json!("right")), Some(FIELD)),
            "form_get: expected the profile's value \"right\" of {FIELD}, got value and origin {got:?}"
        );
        self.attach_again(&booked.appointment, form.id).await?;
        Ok(read.into_inner())
    }

    /// Attaching the forms of the appointment's template once more creates none.
    async fn attach_again(&self, appointment: &Appointment, form: i64) -> Result<()> {
        let body = types::AttachForms { form_template_ids: Vec::new() };
        let again = self.cast.staff.appointment_forms_attach().appointment_id(appointment.id).body(body).send().await;
        let again = answer("appointment_forms_attach", again).await?;
        let ids: Vec<i64> = again.forms.iter().map(|form| form.id).collect();
        ensure!(ids == [form], "appointment_forms_attach: expected form {form} alone, got {ids:?}");
        Ok(())
    }

    /// The patient finds the form on its page and fills it in, in two steps; what is missing is named at once.
    pub(super) async fn form_fill(&self, form: &Form, trail: &mut Trail) -> Result<Form> {
        let page = &self.cast.patient;
        let due = answer("me_form_list", page.me_form_list().send().await).await?;
        let found = due.data.iter().find(|due| due.id == form.id);
        let found = found.with_context(|| format!("me_form_list: expected form {}, got none", form.id))?;
        trail.expect(Who::Patient, "read", "form", form.id, &due)?;
        ensure!(
            found.definition.is_some() && found.values == form.values,
            "me_form_list: expected a definition and the values {:?}, got {:?}",
            form.values,
            found.values
        );
        let first = save(page, form, json!({ "interest": "more_than_half" })).await?;
        trail.expect(Who::Patient, "saved", "form", form.id, &first)?;
        let submit = page.form_submit().form_id(form.id).body(types::FormVersionInput { version: first.version });
        faults("form_submit", &[("/values/mood", "required")], submit.send().await).await?;
        let second = save(page, &first, json!({ "mood": "several_days" })).await?;
        let scores = serde_json::to_value(&second.evaluation.scores)?;
        let expected = json!([{ "key": SCORE, "state": "scored", "value": "3", "band": "positive" }]);
        ensure!(scores == expected, "form_update: expected the scores {expected}, got {scores}");
        self.submit(page, Who::Patient, &second, trail).await
    }

    /// Both sign: the patient consents first, the specialist completes the form. Nobody changes it afterwards.
    pub(super) async fn form_sign(&self, form: &Form, trail: &mut Trail) -> Result<Form> {
        let signed = self.sign(form, trail).await?;
        let hashes: Vec<_> = signed.signatures.iter().map(|signature| &signature.statement.content_hash).collect();
        ensure!(
            hashes.len() == 2 && hashes.iter().all(|hash| Some(*hash) == signed.content_hash.as_ref()),
            "form_sign: expected two signatures of the content {:?}, got {hashes:?}",
            signed.content_hash
        );
        let previous = signed.signatures[1].statement.previous_hash.as_ref();
        let first = Some(&signed.signatures[0].hash);
        ensure!(previous == first, "form_sign: expected a second signature after {first:?}, got {previous:?}");
        let body: types::UpdateForm =
            serde_json::from_value(json!({ "version": signed.version, "values": { "mood": "not_at_all" } }))?;
        let late = self.cast.patient.form_update().form_id(form.id).body(body).send().await;
        refusal("form_update of a signed form", 409, "form_signed", late).await?;
        Ok(signed)
    }

    /// The specialist corrects an answer by another form; the signed one stays and says which form corrects it.
    pub(super) async fn form_amend(&self, signed: &Form, trail: &mut Trail) -> Result<()> {
        let specialist = &self.cast.specialist;
        let body = types::FormVersionInput { version: signed.version };
        let amendment = specialist.form_amend().form_id(signed.id).body(body).send().await;
        let amendment = answer("form_amend", amendment).await?;
        trail.expect(Who::Specialist, "created", "form", amendment.id, &amendment)?;
        trail.expect(Who::Specialist, "amended", "form", signed.id, &amendment)?;
        let (got, expected) = ((amendment.amends_id, &amendment.values), (Some(signed.id), &signed.values));
        ensure!(got == expected, "form_amend: expected amended form and values {expected:?}, got {got:?}");
        let changed = save(specialist, &amendment, json!({ "mood": "not_at_all" })).await?;
        trail.expect(Who::Specialist, "saved", "form", amendment.id, &changed)?;
        let submitted = self.submit(specialist, Who::Specialist, &changed, trail).await?;
        self.sign(&submitted, trail).await?;
        let read = answer("form_get", specialist.form_get().form_id(signed.id).send().await).await?;
        let got = (read.amended_by_id, &read.values, &read.content_hash);
        let expected = (Some(amendment.id), &signed.values, &signed.content_hash);
        ensure!(got == expected, "form_get: expected amendment, values and hash {expected:?}, got {got:?}");
        Ok(())
    }

    /// The patient consents, once and not again, and the specialist completes the form.
    async fn sign(&self, form: &Form, trail: &mut Trail) -> Result<Form> {
        let (patient, specialist) = (&self.cast.patient, &self.cast.specialist);
        let body = |version, meaning| types::SignForm { meaning, version };
        let consented =
            patient.form_sign().form_id(form.id).body(body(form.version, SigningMeaning::Consent)).send().await;
        let consented = answer("form_sign by the patient", consented).await?;
        trail.expect(Who::Patient, "signature_added", "form", form.id, &consented)?;
        ensure!(
            consented.status == FormStatus::PartlySigned,
            "form_sign by the patient: expected a partly signed form, got one that is {}",
            consented.status
        );
        let again = patient.form_sign().form_id(form.id).body(body(consented.version, SigningMeaning::Consent));
        refusal("form_sign by the patient again", 409, "form_signature_not_next", again.send().await).await?;
        let completed = body(consented.version, SigningMeaning::Completion);
        let signed = specialist.form_sign().form_id(form.id).body(completed).send().await;
        let signed = answer("form_sign by the specialist", signed).await?;
        trail.expect(Who::Specialist, "signed", "form", form.id, &signed)?;
        ensure!(
            signed.status == FormStatus::Signed,
            "form_sign by the specialist: expected a signed form, got one that is {}",
            signed.status
        );
        Ok(signed.into_inner())
    }

    async fn submit(&self, client: &core::Client, who: Who, form: &Form, trail: &mut Trail) -> Result<Form> {
        let body = types::FormVersionInput { version: form.version };
        let submitted = answer("form_submit", client.form_submit().form_id(form.id).body(body).send().await).await?;
        trail.expect(who, "submitted", "form", form.id, &submitted)?;
        ensure!(
            submitted.status == FormStatus::Submitted,
            "form_submit: expected a submitted form, got one that is {}",
            submitted.status
        );
        Ok(submitted.into_inner())
    }

    /// Gives a patient's profile this value, whatever it had.
    async fn profile_give(&self, patient: i64, value: &str, trail: &mut Trail) -> Result<()> {
        let desk = &self.cast.staff;
        let read = answer("patient_profile_get", desk.patient_profile_get().patient_id(patient).send().await).await?;
        trail.expect(Who::Staff, "read", "patient", patient, &read)?;
        let values = [(FIELD.to_owned(), Value::from(value))].into_iter().collect();
        let body = types::UpdateProfile { version: read.version, values };
        answer("patient_profile_update", desk.patient_profile_update().patient_id(patient).body(body).send().await)
            .await?;
        Ok(())
    }

    /// A time from Saturday of next week on at which neither has anything: after everything that earlier runs booked.
    async fn free_from(&self, specialist: i64, patient: i64) -> Result<DateTime<Utc>> {
        let clinic = self.cast.admin.organization_get().organization_id(self.cast.home).send().await;
        let zone = calendar::zone(&answer("organization_get", clinic).await?.timezone)?;
        let saturday = calendar::next_monday(Utc::now(), zone) + Days::new(5);
        let mut free = calendar::moment(saturday, NaiveTime::MIN + TimeDelta::hours(12), zone)?;
        let noon = free;
        let desk = &self.cast.staff;
        for is_of_specialist in [true, false] {
            let booked = all(async |page| {
                let list = desk.appointment_list().from(noon).page(page).page_size(PAGE_SIZE);
                let list = if is_of_specialist { list.specialist_id(specialist) } else { list.patient_id(patient) };
                let list = answer("appointment_list", list.send().await).await?.into_inner();
                Ok((list.data, list.meta.total_pages))
            });
            let last = booked.await?.into_iter().map(|appointment: Appointment| appointment.ended_at).max();
            free = last.map_or(free, |last| free.max(last));
        }
        Ok(free)
    }
}

/// Saves some answers of a form.
async fn save(client: &core::Client, form: &Form, values: Value) -> Result<ResponseValue<Form>> {
    let body: types::UpdateForm = serde_json::from_value(json!({ "version": form.version, "values": values }))?;
    answer("form_update", client.form_update().form_id(form.id).body(body).send().await).await
}
