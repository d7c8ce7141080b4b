use std::collections::HashSet;

use super::{
    error::AppointmentFormError,
    model::{AppointmentForms, AppointmentWithForms, AttachForms, CreateAppointmentFromTemplate, MOST_FORMS},
    repository::{self, HeldAppointment, TemplateState},
};
use crate::{
    database::{Database, Lock, WriteTx},
    domain::{
        appointment::{self, AppointmentError, AppointmentStatus, TemplateBooking},
        form::{self, FormEvent, FormSummary, Visit},
        rules::{FieldFaults, InvalidValue},
    },
    event::Events,
    identity::Caller,
    ids::{AppointmentId, FormTemplateId, OrganizationId},
};

/// Service that creates the forms of appointments.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) database: Database,
    pub(crate) appointments: appointment::Service,
    pub(crate) forms: form::Service,
}

/// Form templates that a caller asks for.
struct Asked<'a> {
    /// Ids, each once.
    templates: &'a [FormTemplateId],
    /// `true` if the request names them, so that each one that can't be used is an error.
    named: bool,
}

/// Forms of an appointment after a request.
struct Filled {
    forms: Vec<FormSummary>,
    omitted: Vec<FormTemplateId>,
    /// Events of the forms that were created.
    created: Vec<FormEvent>,
}

impl Service {
    /// Books an appointment with a template and creates the template's forms, in one transaction.
    pub(super) async fn create(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        input: &CreateAppointmentFromTemplate,
    ) -> Result<AppointmentWithForms, AppointmentFormError> {
        let booking = TemplateBooking {
            template: input.appointment_template_id,
            specialist: input.specialist_id,
            patient: input.patient_id,
            started_at: input.started_at.get(),
            title: input.title.as_str(),
        };
        let locks = vec![Lock::FieldsRead(organization)];
        let booked = self.appointments.book_with_template(caller, organization, &booking, locks).await;
        let (mut tx, appointment, events) = booked?;
        let held = hold(&mut tx, appointment.id).await?;
        let asked = Asked { templates: &held.listed, named: false };
        let Filled { forms, omitted, created } = self.fill(&mut tx, caller, organization, &held, &asked).await?;
        tx.commit(events.and(created)).await?;
        Ok(AppointmentWithForms { appointment, forms, omitted_form_template_ids: omitted })
    }

    /// Creates the forms that the appointment does not have yet.
    pub(super) async fn attach(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: AppointmentId,
        input: &AttachForms,
    ) -> Result<AppointmentForms, AppointmentFormError> {
        let mut tx = self.database.write_locked(caller, vec![Lock::FieldsRead(organization)]).await?;
        let held = hold(&mut tx, id).await?;
        if !takes_forms(held.status) {
            return Err(AppointmentFormError::NotOpen { status: held.status });
        }
        let asked = match &input.form_template_ids {
            Some(named) => Asked { templates: named, named: true },
            None if held.appointment_template_id.is_some() => Asked { templates: &held.listed, named: false },
            None => {
                let message = "is required, because the appointment was booked without an appointment template";
                return Err(InvalidValue::new("/form_template_ids", "required", message).into());
            }
        };
        let Filled { forms, omitted, created } = self.fill(&mut tx, caller, organization, &held, &asked).await?;
        let mut created = created.into_iter();
        // A repeated request changes nothing, so that it leaves nothing.
        if let Some(first) = created.next() {
            tx.commit(Events::from(first).and(created)).await?;
        }
        Ok(AppointmentForms { forms, omitted_form_template_ids: omitted })
    }

    /// Creates the forms that an appointment, which the transaction has locked, does not have yet.
    async fn fill(
        &self,
        tx: &mut WriteTx,
        caller: &Caller,
        organization: OrganizationId,
        held: &HeldAppointment,
        asked: &Asked<'_>,
    ) -> Result<Filled, AppointmentFormError> {
        let attached = repository::attached(tx, organization, held.id).await?;
        let there: HashSet<FormTemplateId> = attached.iter().map(|form| form.template).collect();
        let (new, omitted) = match asked.templates {
            [] => (Vec::new(), Vec::new()),
            templates => usable(&repository::template_states(tx, organization, templates).await?, &there, asked.named)?,
        };
        if attached.len() + new.len() > MOST_FORMS {
            return Err(AppointmentFormError::TooMany);
        }
        let visit = Visit { appointment: held.id, patient: held.patient_id, started_at: held.started_at };
        let (made, created) = self.forms.attach(tx, caller, organization, &visit, &new).await?;
        let mut ids: Vec<_> = attached.iter().map(|form| form.form).chain(made).collect();
        ids.sort_unstable();
        let forms = if ids.is_empty() { Vec::new() } else { form::summaries(tx, &ids).await? };
        Ok(Filled { forms, omitted, created })
    }
}

/// Locks an appointment for the creation of its forms.
async fn hold(tx: &mut WriteTx, id: AppointmentId) -> Result<HeldAppointment, AppointmentFormError> {
    let held = repository::appointment_hold(tx, id).await?;
    Ok(held.ok_or(AppointmentError::NotFound)?)
}

/// Returns `true` if forms can be attached to an appointment with this status.
fn takes_forms(status: AppointmentStatus) -> bool {
    match status {
        AppointmentStatus::Scheduled | AppointmentStatus::Confirmed | AppointmentStatus::InProgress => true,
        AppointmentStatus::Held
        | AppointmentStatus::Expired
        | AppointmentStatus::Completed
        | AppointmentStatus::Cancelled
        | AppointmentStatus::NoShow => false,
    }
}

/// Returns the form templates of which a form is to be created, and those that can't be used. If the request has
/// `named` them, the latter are an error. A form template that is `there` already is neither.
fn usable(
    states: &[TemplateState],
    there: &HashSet<FormTemplateId>,
    named: bool,
) -> Result<(Vec<FormTemplateId>, Vec<FormTemplateId>), AppointmentFormError> {
    let mut faults = FieldFaults::default();
    let (mut new, mut archived, mut unpublished, mut omitted) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (index, state) in states.iter().enumerate().filter(|(_, state)| !there.contains(&state.id)) {
        if !state.known {
            let pointer = format!("/form_template_ids/{index}");
            faults.add(pointer, "unknown_reference", "is no form template of this organization");
        } else if state.archived {
            archived.push(state.id);
            omitted.push(state.id);
        } else if !state.published {
            unpublished.push(state.id);
            omitted.push(state.id);
        } else {
            new.push(state.id);
        }
    }
    if !named {
        // The foreign key keeps every template that is listed.
        return Ok((new, omitted));
    }
    faults.check()?;
    if !archived.is_empty() {
        return Err(AppointmentFormError::Archived { templates: archived });
    }
    if !unpublished.is_empty() {
        return Err(AppointmentFormError::NotPublished { templates: unpublished });
    }
    Ok((new, omitted))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATES: [(i64, bool, bool, bool); 4] =
        [(1, true, false, true), (2, true, true, true), (3, true, false, false), (4, true, false, true)];

    fn states() -> Vec<TemplateState> {
        let state = |(id, known, archived, published)| TemplateState {
            id: FormTemplateId(id),
            known,
            archived,
            published,
        };
        TEMPLATES.into_iter().map(state).collect()
    }

    #[test]
    fn listed_templates_that_cannot_be_used_are_left_out() {
        let there = HashSet::from([FormTemplateId(4)]);
        let (new, omitted) = usable(&states(), &there, false).unwrap();
        assert_eq!((new, omitted), (vec![FormTemplateId(1)], vec![FormTemplateId(2), FormTemplateId(3)]));
    }

    #[test]
    fn named_templates_that_cannot_be_used_are_errors_unless_they_are_there() {
        let refused = |there: &[i64]| {
            let there = there.iter().copied().map(FormTemplateId).collect();
            usable(&states(), &there, true).map_err(|error| error.to_string())
        };
        assert!(refused(&[]).unwrap_err().contains("archived"));
        assert!(refused(&[2]).unwrap_err().contains("no published version"));
        assert_eq!(refused(&[2, 3]).unwrap(), (vec![FormTemplateId(1), FormTemplateId(4)], Vec::new()));
    }
}
