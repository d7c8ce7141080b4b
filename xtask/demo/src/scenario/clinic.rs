//! Steps of the clinic, through Core.

use anyhow::{Result, ensure};
use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use restartix_sdk::core::types::{self, Appointment, AppointmentStatus, OnboardedPatient, Patient};

use super::Run;
use super::cast::Cast;
use super::profile::FIELD;
use super::trail::{Trail, Who};
use crate::calendar;
use crate::call::{answer, refusal};

/// The clinic's side of the morning.
pub(super) struct Morning<'a> {
    pub(super) run: &'a Run,
    pub(super) cast: &'a Cast,
}

impl Morning<'_> {
    /// The id of a new specialty.
    pub(super) async fn specialty_create(&self, trail: &mut Trail) -> Result<i64> {
        let (name, description) = (self.run.name("Gait laboratory"), "Made by cargo xtask demo.");
        let body = types::SpecialtyInput { name: name.clone(), description: Some(description.to_owned()) };
        let created = self.cast.admin.specialty_create().body(body).send().await;
        let created = answer("specialty_create", created).await?;
        trail.expect(Who::Admin, "created", "specialty", created.id, &created)?;
        ensure!(
            created.name == name && created.description == description,
            "specialty_create: expected the name {name:?} and its description, got {:?}",
            *created
        );
        let found = self.cast.admin.specialty_get().specialty_id(created.id).send().await;
        let found = answer("specialty_get", found).await?;
        ensure!(*found == *created, "specialty_get: expected {:?}, got {:?}", *created, *found);
        Ok(created.id)
    }

    /// The id of a new specialist who practises `specialty`.
    pub(super) async fn specialist_create(&self, specialty: i64, trail: &mut Trail) -> Result<i64> {
        let body = types::SpecialistInput {
            name: self.run.name("Dr. Una Demo"),
            title: Some("Physiotherapist".to_owned()),
            specialty_ids: vec![specialty],
            timezone: self.timezone().await?,
            bookable: None,
        };
        let created = self.cast.admin.specialist_create().body(body).send().await;
        let created = answer("specialist_create", created).await?;
        trail.expect(Who::Admin, "created", "specialist", created.id, &created)?;
        ensure!(
            created.specialty_ids == [specialty] && created.bookable,
            "specialist_create: expected a bookable specialist of specialty {specialty}, got {:?}",
            *created
        );
        let list = self.cast.admin.specialist_list().specialty_id(specialty).send().await;
        let list = answer("specialist_list", list).await?.into_inner();
        let ids: Vec<i64> = list.data.iter().map(|specialist| specialist.id).collect();
        ensure!(ids == [created.id], "specialist_list of the specialty: expected [{}], got {ids:?}", created.id);
        Ok(created.id)
    }

    /// A new patient, as its admin sees it.
    pub(super) async fn patient_create(&self, trail: &mut Trail) -> Result<Patient> {
        let body = types::CreatePatient {
            first_name: "Morgan".to_owned(),
            last_name: self.run.name("Demo"),
            email: Some(format!("{}@example.com", self.run.key("morgan.demo"))),
            phone: Some("+49 30 23125 099".to_owned()),
            date_of_birth: NaiveDate::from_ymd_opt(1980, 2, 29),
            national_id: Some(self.run.key("DEMO")),
            address: Some("99 Example Street, 10115 Berlin".to_owned()),
            emergency_contact: Some("Kim Demo, +49 30 23125 199".to_owned()),
            clinical_notes: Some("Right hip, three weeks after surgery.".to_owned()),
        };
        let created = self.cast.admin.patient_create().body(body.clone()).send().await;
        let created = answer("patient_create", created).await?;
        trail.expect(Who::Admin, "created", "patient", created.id, &created)?;
        let got = types::CreatePatient {
            first_name: created.first_name.clone(),
            last_name: created.last_name.clone(),
            email: created.email.clone(),
            phone: created.phone.clone(),
            date_of_birth: created.date_of_birth,
            national_id: created.national_id.clone(),
            address: created.address.clone(),
            emergency_contact: created.emergency_contact.clone(),
            clinical_notes: created.clinical_notes.clone(),
        };
        ensure!(got == body, "patient_create: expected {body:?}, got {got:?}");
        Ok(created.into_inner())
    }

    /// The front desk sees the patient as the admin made it, but for the notes.
    pub(super) async fn patient_read(&self, patient: &Patient, trail: &mut Trail) -> Result<()> {
        let read = self.cast.staff.patient_get().patient_id(patient.id).send().await;
        let read = answer("patient_get", read).await?;
        trail.expect(Who::Staff, "read", "patient", patient.id, &read)?;
        let expected = Patient { clinical_notes: None, ..patient.clone() };
        ensure!(*read == expected, "patient_get: expected {expected:?}, got {:?}", *read);
        Ok(())
    }

    /// Somebody with the patient's name and birthday is onboarded: entered with a value in the profile, invited and
    /// asked for consent at once.
    pub(super) async fn onboard(&self, patient: &Patient, trail: &mut Trail) -> Result<OnboardedPatient> {
        let email = format!("{}@example.com", self.run.key("morgan.onboarded"));
        let consent =
            |purpose, granted| types::ConsentDecision { purpose, granted, text_version: "2026-11".to_owned() };
        let body = types::OnboardPatient {
            patient: types::CreatePatient {
                first_name: patient.first_name.clone(),
                last_name: patient.last_name.clone(),
                email: Some(email.clone()),
                phone: None,
                date_of_birth: patient.date_of_birth,
                national_id: None,
                address: None,
                emergency_contact: None,
                clinical_notes: None,
            },
            login: Some(types::LinkRecord { email: Some(email.clone()), user_id: None }),
            values: [(FIELD.to_owned(), serde_json::Value::from("left"))].into_iter().collect(),
            consents: vec![
                consent(types::ConsentPurpose::Media, true),
                consent(types::ConsentPurpose::Analytics, false),
            ],
        };
        let onboarded = self.cast.staff.patient_onboard().body(body).send().await;
        let onboarded = answer("patient_onboard", onboarded).await?;
        trail.expect(Who::Staff, "created", "patient", onboarded.patient.id, &onboarded)?;
        trail.expect(Who::Staff, "profile_updated", "patient", onboarded.patient.id, &onboarded)?;
        trail.expect(Who::Staff, "consent_recorded", "patient", onboarded.patient.id, &onboarded)?;
        trail.expect(Who::Staff, "read", "patient", patient.id, &onboarded)?;
        let hints: Vec<_> =
            onboarded.possible_duplicates.iter().map(|hint| (hint.patient_id, hint.reasons.clone())).collect();
        let expected = vec![(patient.id, vec![types::DuplicateReason::NameAndBirthDate])];
        ensure!(hints == expected, "patient_onboard: expected the hint {expected:?}, got {hints:?}");
        let invited = onboarded.invitation.as_ref().map(|invitation| (invitation.patient_id, invitation.email.clone()));
        let expected = Some((Some(onboarded.patient.id), Some(email)));
        ensure!(invited == expected, "patient_onboard: expected the invitation {expected:?}, got {invited:?}");
        self.profile_read(onboarded.patient.id, "left", trail).await?;
        Ok(onboarded.into_inner())
    }

    /// The namesake is the patient, entered twice: its record is merged, and its invitation revoked.
    pub(super) async fn merge(&self, patient: &Patient, double: &OnboardedPatient, trail: &mut Trail) -> Result<()> {
        let merged_id = double.patient.id;
        let body = types::MergePatient {
            merged_patient_id: merged_id,
            version: patient.version,
            merged_version: double.patient.version,
        };
        let merged = self.cast.admin.patient_merge().patient_id(patient.id).body(body).send().await;
        let merged = answer("patient_merge", merged).await?;
        trail.expect(Who::Admin, "merged", "patient", patient.id, &merged)?;
        trail.expect(Who::Admin, "merged_away", "patient", merged_id, &merged)?;
        if let Some(invitation) = &double.invitation {
            trail.expect(Who::Admin, "revoked", "invitation", invitation.id, &merged)?;
        }
        let (expected, got) = ((patient.id, merged_id), (merged.patient_id, merged.merged_patient_id));
        ensure!(got == expected, "patient_merge: expected patient and merged record {expected:?}, got {got:?}");
        let read = self.cast.staff.patient_get().patient_id(merged_id).send().await;
        refusal("patient_get", 404, "patient_merged", read).await?;
        // Each record had a value.
        self.profile_read(patient.id, "right", trail).await?;
        Ok(())
    }

    /// A booked appointment.
    pub(super) async fn book(
        &self,
        specialty: i64,
        specialist: i64,
        patient: i64,
        trail: &mut Trail,
    ) -> Result<Appointment> {
        let body = self.booking(specialty, specialist, patient).await?;
        let booked = self.cast.staff.appointment_create().body(body.clone()).send().await;
        let booked = answer("appointment_create", booked).await?;
        trail.expect(Who::Staff, "created", "appointment", booked.id, &booked)?;
        let expected = (AppointmentStatus::Scheduled, body.started_at, body.ended_at, specialist, patient);
        let got = (booked.status, booked.started_at, booked.ended_at, booked.specialist_id, booked.patient_id);
        ensure!(
            got == expected,
            "appointment_create: expected status, times, specialist and patient {expected:?}, got {got:?}"
        );
        let found = self.cast.staff.appointment_find().uid(booked.uid).send().await;
        let found = answer("appointment_find", found).await?;
        ensure!(found.id == booked.id, "appointment_find: expected appointment {}, got {}", booked.id, found.id);
        Ok(booked.into_inner())
    }

    /// The specialist's time is refused to another patient, also where only a part of it is wanted.
    pub(super) async fn book_again(&self, booked: &Appointment, trail: &mut Trail) -> Result<()> {
        let page = self.cast.staff.patient_list().page_size(2).send().await;
        let page = answer("patient_list", page).await?;
        for patient in &page.data {
            trail.expect(Who::Staff, "read", "patient", patient.id, &page)?;
        }
        let other = page.data.iter().map(|patient| patient.id).find(|id| *id != booked.patient_id);
        let body = types::CreateAppointment {
            title: None,
            started_at: booked.started_at + TimeDelta::minutes(15),
            ended_at: booked.ended_at + TimeDelta::minutes(15),
            specialist_id: booked.specialist_id,
            patient_id: other.unwrap_or(booked.patient_id),
            specialty_id: None,
        };
        let again = self.cast.staff.appointment_create().body(body).send().await;
        refusal("appointment_create", 409, "slot_taken", again).await?;
        let list = self.cast.staff.appointment_list().specialist_id(booked.specialist_id).send().await;
        let list = answer("appointment_list", list).await?.into_inner();
        let ids: Vec<i64> = list.data.iter().map(|appointment| appointment.id).collect();
        ensure!(ids == [booked.id], "appointment_list of the specialist: expected [{}], got {ids:?}", booked.id);
        Ok(())
    }

    /// Another clinic's admin finds nothing of this clinic, from without nor from within.
    pub(super) async fn stranger(&self, booked: &Appointment) -> Result<()> {
        let Cast { stranger, intruder, home, .. } = self.cast;
        let call = stranger.appointment_get().appointment_id(booked.id).send().await;
        refusal("appointment_get", 404, "appointment_not_found", call).await?;
        let call = stranger.patient_get().patient_id(booked.patient_id).send().await;
        refusal("patient_get", 404, "patient_not_found", call).await?;
        let call = intruder.organization_get().organization_id(*home).send().await;
        refusal("organization_get", 404, "organization_not_found", call).await?;
        let call = intruder.appointment_get().appointment_id(booked.id).send().await;
        refusal("appointment_get, naming the clinic", 404, "organization_not_found", call).await
    }

    async fn timezone(&self) -> Result<String> {
        let clinic = self.cast.admin.organization_get().organization_id(self.cast.home).send().await;
        Ok(answer("organization_get", clinic).await?.into_inner().timezone)
    }

    /// Saturday of next week at ten: the demo's own specialist and patient are free, and the seeded week is not
    /// touched.
    async fn booking(&self, specialty: i64, specialist: i64, patient: i64) -> Result<types::CreateAppointment> {
        let zone = calendar::zone(&self.timezone().await?)?;
        let saturday = calendar::next_monday(Utc::now(), zone) + Days::new(5);
        let started_at: DateTime<Utc> = calendar::moment(saturday, NaiveTime::MIN + TimeDelta::hours(10), zone)?;
        Ok(types::CreateAppointment {
            title: Some("Gait analysis".to_owned()),
            started_at,
            ended_at: started_at + TimeDelta::minutes(45),
            specialist_id: specialist,
            patient_id: patient,
            specialty_id: Some(specialty),
        })
    }
}
