//! Creates the data of a clinic through Core's API: specialties and specialists as its admin, patients and
//! appointments as its front desk.

use std::collections::{HashMap, HashSet};

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use restartix_sdk::core::{self, types};
use restartix_sdk::{ClientBuilder, Failure, error_code};

use super::accounts::{Account, ClinicAccounts};
use super::data::{Clinic, Patient};
use super::plan::{self, Booking};
use crate::calendar;
use crate::call::{PAGE_SIZE, all, answer};
use crate::tokens::Issuer;

/// The people who work in a clinic, signed in.
struct Desk<'a> {
    clinic: &'a Clinic,
    accounts: &'a ClinicAccounts,
    admin: core::Client,
    staff: core::Client,
    specialist: core::Client,
    patient: core::Client,
    /// Number of objects that were created.
    new: usize,
}

/// Makes what is missing in a clinic and returns the id of the patient with a login.
pub(super) async fn seed(core: &str, issuer: &Issuer, clinic: &Clinic, accounts: &ClinicAccounts) -> Result<i64> {
    let sign_in = |account: &Account| -> Result<core::Client> {
        let token = issuer.session(&account.clerk_id)?;
        Ok(ClientBuilder::new(core).token(token).organization(accounts.organization_id).core()?)
    };
    let mut desk = Desk {
        clinic,
        accounts,
        admin: sign_in(&accounts.admin)?,
        staff: sign_in(&accounts.staff)?,
        specialist: sign_in(&accounts.specialist)?,
        patient: sign_in(&accounts.patient)?,
        new: 0,
    };
    let specialties = desk.specialties().await?;
    let specialists = desk.specialists(&specialties).await?;
    desk.hours(&specialists).await?;
    let patients = desk.patients().await?;
    let appointments = desk.appointments(&specialties, &specialists, &patients).await?;
    eprintln!(
        "    {}: {} specialties, {} specialists, {} patients, {appointments} appointments; {} of it new",
        clinic.slug,
        specialties.len(),
        specialists.len(),
        patients.len(),
        desk.new
    );
    patients.first().copied().context("a demo clinic has patients")
}

impl Desk<'_> {
    /// The ids of the clinic's specialties, in the order of its plan.
    async fn specialties(&mut self) -> Result<Vec<i64>> {
        let admin = &self.admin;
        let present = all(async |page| {
            let list = admin.specialty_list().page(page).page_size(PAGE_SIZE).send().await;
            let list = answer("the specialties", list).await?.into_inner();
            Ok((list.data, list.meta.total_pages))
        });
        let present: HashMap<String, i64> = present.await?.into_iter().map(|one| (one.name, one.id)).collect();
        let mut ids = Vec::new();
        for (name, description) in self.clinic.specialties {
            if let Some(id) = present.get(name) {
                ids.push(*id);
                continue;
            }
            let body = types::SpecialtyInput { name: name.to_owned(), description: Some(description.to_owned()) };
            let created = self.admin.specialty_create().body(body).send().await;
            ids.push(answer(&format!("the specialty {name}"), created).await?.id);
            self.new += 1;
        }
        Ok(ids)
    }

    /// The ids of the clinic's specialists, in the order of its plan; the first is the one with a login.
    async fn specialists(&mut self, specialties: &[i64]) -> Result<Vec<i64>> {
        let admin = &self.admin;
        let present = all(async |page| {
            let list = admin.specialist_list().page(page).page_size(PAGE_SIZE).send().await;
            let list = answer("the specialists", list).await?.into_inner();
            Ok((list.data, list.meta.total_pages))
        });
        let present: HashMap<String, i64> = present.await?.into_iter().map(|one| (one.name, one.id)).collect();
        let own = answer("the specialist's own account", self.specialist.me_get().send().await).await?.specialist_id;
        let mut ids = Vec::new();
        for (place, specialist) in self.clinic.specialists.iter().enumerate() {
            let found = if place == 0 { own } else { present.get(specialist.name).copied() };
            if let Some(id) = found {
                ids.push(id);
                continue;
            }
            let body = types::SpecialistInput {
                name: specialist.name.to_owned(),
                title: Some(specialist.title.to_owned()),
                specialty_ids: specialist.specialties.iter().map(|place| specialties[*place]).collect(),
                timezone: self.clinic.timezone.to_owned(),
                bookable: Some(true),
            };
            let created = self.admin.specialist_create().body(body).send().await;
            let id = answer(&format!("the specialist {}", specialist.name), created).await?.id;
            if place == 0 {
                let body = types::LinkRecord { email: None, user_id: Some(self.accounts.specialist.user_id) };
                let asked = self.admin.specialist_link().specialist_id(id).body(body).send().await;
                let asked = answer("the link of the specialist", asked).await?.id;
                let accepted = self.specialist.me_invitation_accept().invitation_id(asked).send().await;
                answer("the specialist accepts the invitation", accepted).await?;
            }
            ids.push(id);
            self.new += 1;
        }
        Ok(ids)
    }

    /// Gives working hours from Monday to Friday to specialists who have none.
    async fn hours(&self, specialists: &[i64]) -> Result<()> {
        for id in specialists {
            let present = self.admin.specialist_schedule_get().specialist_id(*id).send().await;
            let present = answer("a schedule", present).await?.into_inner();
            if !present.hours.is_empty() {
                continue;
            }
            let window = |weekday, starts_at: &str, ends_at: &str| types::WorkingHours {
                weekday,
                starts_at: starts_at.to_owned(),
                ends_at: ends_at.to_owned(),
            };
            let day = |weekday| [window(weekday, "08:00", "12:00"), window(weekday, "13:00", "18:00")];
            let body = types::UpdateSpecialistSchedule {
                version: present.version,
                slot_minutes: 30,
                buffer_before_minutes: None,
                buffer_after_minutes: None,
                minimum_notice_minutes: Some(60),
                horizon_days: 90,
                daily_cap: None,
                hours: (1..=5).flat_map(day).collect(),
                exceptions: present.exceptions,
            };
            let replaced = self.admin.specialist_schedule_update().specialist_id(*id).body(body).send().await;
            answer("the hours of a specialist", replaced).await?;
        }
        Ok(())
    }

    /// The ids of the clinic's patients, in the order of its plan; the first is the one with a login.
    async fn patients(&mut self) -> Result<Vec<i64>> {
        let own = answer("the patient's own account", self.patient.me_get().send().await).await?.patient_id;
        let mut ids = Vec::new();
        for (place, patient) in self.clinic.patients.iter().enumerate() {
            let id = match own.filter(|_| place == 0) {
                Some(id) => id,
                None => self.patient_create(patient).await?,
            };
            if place == 0 && own.is_none() {
                let body = types::LinkRecord { email: None, user_id: Some(self.accounts.patient.user_id) };
                let asked = self.admin.patient_link().patient_id(id).body(body).send().await;
                let asked = answer("the link of the patient", asked).await?.id;
                let accepted = self.patient.me_invitation_accept().invitation_id(asked).send().await;
                answer("the patient accepts the invitation", accepted).await?;
            }
            ids.push(id);
        }
        Ok(ids)
    }

    /// Creates a patient unless there is one of this e-mail address: the refusal names it. Looking for it instead would
    /// be a read of personal data, and leave an audit row each time.
    async fn patient_create(&mut self, patient: &Patient) -> Result<i64> {
        let (year, month, day) = patient.born;
        let body = types::CreatePatient {
            first_name: patient.first_name.to_owned(),
            last_name: patient.last_name.to_owned(),
            email: Some(patient.email.to_owned()),
            phone: Some(patient.phone.to_owned()),
            date_of_birth: NaiveDate::from_ymd_opt(year, month, day),
            national_id: Some(patient.national_id.to_owned()),
            address: Some(patient.address.to_owned()),
            emergency_contact: Some(patient.emergency_contact.to_owned()),
            clinical_notes: patient.clinical_notes.map(str::to_owned),
        };
        // The front desk registers patients, but its notes would not be kept.
        match self.admin.patient_create().body(body).send().await {
            Ok(created) => {
                self.new += 1;
                Ok(created.id)
            }
            Err(error) => {
                let failure = Failure::read(error).await;
                let taken = failure.code.as_deref() == Some("patient_email_taken");
                let present = failure.details.as_ref().and_then(|details| details["patient_id"].as_i64());
                match present.filter(|_| taken) {
                    Some(id) => Ok(id),
                    None => bail!("the patient {} {}: {failure}", patient.first_name, patient.last_name),
                }
            }
        }
    }

    /// Books next week's appointments that are not there, whatever has become of them. Says how many there are.
    async fn appointments(&mut self, specialties: &[i64], specialists: &[i64], patients: &[i64]) -> Result<usize> {
        let zone = calendar::zone(self.clinic.timezone)?;
        let monday = calendar::next_monday(Utc::now(), zone);
        let plan = plan::week(monday, zone, specialists.len(), patients.len())?;
        let (Some(first), Some(last)) = (plan.first(), plan.last()) else { return Ok(0) };
        let present = self.appointments_present(first.started_at, last.ended_at).await?;
        for booking in &plan {
            let specialist_id = specialists[booking.specialist];
            if present.contains(&(specialist_id, booking.started_at)) {
                continue;
            }
            let specialty = self.clinic.specialists[booking.specialist].specialties[0];
            let body = types::CreateAppointment {
                title: Some(booking.title.to_owned()),
                started_at: booking.started_at,
                ended_at: booking.ended_at,
                specialist_id,
                patient_id: patients[booking.patient],
                specialty_id: Some(specialties[specialty]),
            };
            self.appointment_create(booking, body).await?;
        }
        Ok(plan.len())
    }

    async fn appointments_present(
        &self,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<HashSet<(i64, DateTime<Utc>)>> {
        let staff = &self.staff;
        let present = all(async |page| {
            let list = staff.appointment_list().from(from).to(to + TimeDelta::seconds(1));
            let list = list.page(page).page_size(PAGE_SIZE).send().await;
            let list = answer("the appointments", list).await?.into_inner();
            Ok((list.data, list.meta.total_pages))
        });
        Ok(present.await?.into_iter().map(|one| (one.specialist_id, one.started_at)).collect())
    }

    async fn appointment_create(&mut self, booking: &Booking, body: types::CreateAppointment) -> Result<()> {
        match self.staff.appointment_create().body(body).send().await {
            Ok(_) => self.new += 1,
            // Somebody has booked this time for something else; it was theirs to book.
            Err(error) if error_code(&error) == Some("slot_taken") => {}
            Err(error) => bail!("the appointment at {}: {}", booking.started_at, Failure::read(error).await),
        }
        Ok(())
    }
}
