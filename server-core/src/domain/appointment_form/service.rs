use std::collections::HashSet;

use super::{
    error::AppointmentFormError,
    model::{AppointmentForms, AppointmentWithForms, AttachForms, CreateAppointmentFromTemplate, MOST_FORMS},
    repository::{self, TemplateState},
};
use crate::{
    database::{Database, WriteTx},
    domain::{
        appointment::{self, AppointmentStatus, TemplateBooking},
        appointment_template::form_templates_listed,
        form::{self, FormEvent, FormSummary, PublishedTemplate, Visit},
        rules::FieldFaults,
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
        let (mut tx, appointment, events) =
            self.appointments.book_with_template(caller, organization, &booking).await?;
        let visit =
            Visit { appointment: appointment.id, patient: appointment.patient_id, started_at: appointment.started_at };
        let listed = form_templates_listed(&mut tx, booking.template).await?;
        let asked = Asked { templates: &listed, named: false };
        let Filled { forms, omitted, created } = self.fill(&mut tx, caller, organization, &visit, &asked).await?;
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
        let mut tx = self.database.write(caller).await?;
        // Locks out others who create its forms, too.
        let state = self.appointments.state(&mut tx, id).await?;
        if !takes_forms(state.status) {
            return Err(AppointmentFormError::NotOpen { status: state.status });
        }
        let listed = match state.appointment_template_id {
            Some(template) if input.form_template_ids.is_none() => form_templates_listed(&mut tx, template).await?,
            _ => Vec::new(),
        };
        let asked = match &input.form_template_ids {
            Some(named) => Asked { templates: named, named: true },
            None => Asked { templates: &listed, named: false },
        };
        let visit = Visit { appointment: id, patient: state.patient_id, started_at: state.started_at };
        let Filled { forms, omitted, created } = self.fill(&mut tx, caller, organization, &visit, &asked).await?;
        // A repeated request changes nothing, so that it leaves nothing.
        if let Some(events) = Events::all(created) {
            tx.commit(events).await?;
        }
        Ok(AppointmentForms { forms, omitted_form_template_ids: omitted })
    }

    /// Creates the forms that an appointment, which the transaction has locked or created, does not have yet.
    async fn fill(
        &self,
        tx: &mut WriteTx,
        caller: &Caller,
        organization: OrganizationId,
        visit: &Visit,
        asked: &Asked<'_>,
    ) -> Result<Filled, AppointmentFormError> {
        let attached = repository::attached(tx, organization, visit.appointment).await?;
        let there: HashSet<FormTemplateId> = attached.iter().map(|form| form.template).collect();
        let (new, omitted) = match asked.templates {
            [] => (Vec::new(), Vec::new()),
            templates => usable(repository::template_states(tx, organization, templates).await?, &there, asked.named)?,
        };
        if attached.len() + new.len() > MOST_FORMS {
            return Err(AppointmentFormError::TooMany);
        }
        let (made, created) = self.forms.attach(tx, caller, organization, visit, &new).await?;
        let mut ids: Vec<_> = attached.iter().map(|form| form.form).chain(made).collect();
        ids.sort_unstable();
        let forms = if ids.is_empty() { Vec::new() } else { form::summaries(tx, &ids).await? };
        Ok(Filled { forms, omitted, created })
    }
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
    states: Vec<TemplateState>,
    there: &HashSet<FormTemplateId>,
    named: bool,
) -> Result<(Vec<PublishedTemplate>, Vec<FormTemplateId>), AppointmentFormError> {
    let mut faults = FieldFaults::default();
    let (mut new, mut archived, mut unpublished, mut omitted) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (index, state) in states.into_iter().enumerate().filter(|(_, state)| !there.contains(&state.id)) {
        let TemplateState { id, archived: is_archived, name, version } = state;
        match (name, version) {
            (None, _) => {
                let pointer = format!("/form_template_ids/{index}");
                faults.add(pointer, "unknown_reference", "is no form template of this organization");
            }
            (Some(_), _) if is_archived => {
                archived.push(id);
                omitted.push(id);
            }
            (Some(_), None) => {
                unpublished.push(id);
                omitted.push(id);
            }
            (Some(name), Some(version)) => new.push(PublishedTemplate { id, name, version }),
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

    /// Ids of templates, whether each is archived, and its last version.
    const TEMPLATES: [(i64, bool, Option<i32>); 4] =
        [(1, false, Some(2)), (2, true, Some(1)), (3, false, None), (4, false, Some(1))];

    fn states() -> Vec<TemplateState> {
        let state = |(id, archived, version)| {
            let name = Some("First visit".to_owned());
            TemplateState { id: FormTemplateId(id), archived, name, version }
        };
        TEMPLATES.into_iter().map(state).collect()
    }

    fn ids(templates: &[PublishedTemplate]) -> Vec<i64> {
        templates.iter().map(|template| template.id.0).collect()
    }

    #[test]
    fn listed_templates_that_cannot_be_used_are_left_out() {
        let there = HashSet::from([FormTemplateId(4)]);
        let (new, omitted) = usable(states(), &there, false).unwrap();
        assert_eq!((ids(&new), new[0].version), (vec![1], 2));
        assert_eq!(omitted, [FormTemplateId(2), FormTemplateId(3)]);
    }

    #[test]
    fn named_templates_that_cannot_be_used_are_errors_unless_they_are_there() {
        let asked = |there: &[i64]| {
            let there = there.iter().copied().map(FormTemplateId).collect();
            usable(states(), &there, true).map(|(new, _)| ids(&new)).map_err(|error| error.to_string())
        };
        assert!(asked(&[]).unwrap_err().contains("archived"));
        assert!(asked(&[2]).unwrap_err().contains("no published version"));
        assert_eq!(asked(&[2, 3]).unwrap(), [1, 4]);
    }
}
