//! Partial saves of a form's answers.

use super::{
    document::FormDocument,
    error::FormError,
    event::FormEvent,
    model::{Form, FormStatus, UpdateForm},
    repository::{self, SavedRow},
    service::{Service, VALUES},
};
use crate::{
    database::{Disclosed, Sealed},
    domain::{
        form_definition::PatchedPlace,
        rules::{FieldFaults, StaleVersion},
    },
    event::Events,
    identity::Caller,
    ids::{FormId, OrganizationId},
};

impl Service {
    /// Saves the answers that a body names. Besides the begin with the lock and the commit, it reads and writes in one
    /// statement each, however many answers there are.
    pub(super) async fn save(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: FormId,
        input: &UpdateForm,
    ) -> Result<Disclosed<Form>, FormError> {
        let mut tx = self.begin(caller, id).await?;
        let mut open = self.held(&mut tx, organization, id).await?;
        if input.version > open.row.version {
            return Err(StaleVersion::now(open.row.version).into());
        }
        let mut faults = FieldFaults::default();
        let patch = open.version.compiled.patch(&open.document.answers, &input.values, VALUES, &mut faults);
        faults.check()?;
        StaleVersion::check_keys(open.row.version, conflicts(&open.document, &patch.places, input.version))?;
        let language = input.language.as_ref().filter(|language| language.as_str() != open.row.language);
        let changed: Vec<&PatchedPlace> = patch.places.iter().filter(|place| place.changed).collect();
        if changed.is_empty() && language.is_none() {
            // Leaves no history, but what is answered is disclosed.
            drop(tx);
            return self.get(caller, organization, id, None, false).await;
        }

        let version = open.row.version + 1;
        for place in &changed {
            open.document.change(place, version);
        }
        open.document.forget();
        open.document.answers = patch.document;
        let sealed = open.document.seal(open.row.uid, &open.key)?;
        let reopens = open.row.status == FormStatus::Submitted;
        let fields: Vec<String> = changed.iter().map(|place| place.place.clone()).collect();
        let mut keys: Vec<String> = fields.iter().map(|field| format!("values.{field}")).collect();
        if let Some(language) = language {
            language.as_str().clone_into(&mut open.row.language);
            keys.push("language".to_owned());
        }
        let saved = SavedRow { id, version, document: &sealed, language: &open.row.language, reopens, fields: &fields };
        let updated_at = repository::form_save(&mut tx, &saved).await?;
        open.row.version = version;
        open.row.updated_at = updated_at;
        open.row.status = FormStatus::Draft;
        open.row.submitted_at = None;

        let compiled = &open.version.compiled;
        let evaluation = compiled.evaluate(&patch.answers);
        let evaluation = compiled.report(&patch.answers, &evaluation, VALUES, &FieldFaults::default());
        let form = Sealed::new(open.evaluated(evaluation)?);
        let events = Events::from(FormEvent::Saved(id, keys)).and(reopens.then_some(FormEvent::Reopened(id)));
        Ok(tx.commit_sealed(form, |_| events).await?)
    }
}

/// Returns the places that a write based on the version `base` gives another value than they have now, although
/// somebody else has changed them since.
fn conflicts(document: &FormDocument, places: &[PatchedPlace], base: i64) -> Vec<String> {
    let conflicting = places.iter().filter(|place| place.changed && document.is_changed_after(place, base));
    conflicting.map(|place| place.place.clone()).collect()
}
