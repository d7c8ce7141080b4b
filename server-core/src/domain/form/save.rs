//! Partial saves of a form's answers.

use std::collections::BTreeSet;

use server_shared::error::FAULTS_LISTED;

use super::{
    document::{FormDocument, first},
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

/// Maximum number of names in an entry of the trail, which is Telemetry's limit.
const NAMED: usize = 200;

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
        let mut open = self.changeable(&mut tx, organization, id).await?;
        if input.version > open.row.summary.version {
            return Err(StaleVersion::now(open.row.summary.version).into());
        }
        let mut faults = FieldFaults::default();
        let patch = open.version.compiled.patch(&open.document.answers, &input.values, VALUES, &mut faults);
        // Conflicts come first: an entry that was deleted since looks like a new one, which may be one too many.
        StaleVersion::check_keys(open.row.summary.version, conflicts(&open.document, &patch.places, input.version))?;
        faults.check()?;
        let language = input.language.as_ref().filter(|language| language.as_str() != open.row.summary.language);
        let changed: Vec<&PatchedPlace> = patch.places.iter().filter(|place| place.changed).collect();
        if changed.is_empty() && language.is_none() {
            // Leaves no history, but what is answered is disclosed.
            drop(tx);
            return self.get(caller, organization, id, None, false).await;
        }

        let version = open.row.summary.version + 1;
        for place in &changed {
            open.document.change(place, version);
        }
        open.document.forget();
        open.document.answers = patch.document;
        let sealed = open.document.seal(open.row.summary.uid, &open.key)?;
        let reopens = open.row.summary.status == FormStatus::Submitted;
        let fields: Vec<String> = changed.iter().map(|place| place.place.clone()).collect();
        let keys = names(&changed, language.is_some());
        if let Some(language) = language {
            language.as_str().clone_into(&mut open.row.summary.language);
        }
        let saved =
            SavedRow { id, version, document: &sealed, language: &open.row.summary.language, reopens, fields: &fields };
        let updated_at = repository::form_save(&mut tx, &saved).await?;
        open.row.summary.version = version;
        open.row.summary.updated_at = updated_at;
        open.row.summary.status = FormStatus::Draft;
        open.row.summary.submitted_at = None;

        let compiled = &open.version.compiled;
        let evaluation = compiled.evaluate(&patch.answers);
        let evaluation = compiled.report(&patch.answers, &evaluation, VALUES, &FieldFaults::default());
        let form = Sealed::new(open.evaluated(evaluation)?);
        let events = Events::from(FormEvent::Saved(id, keys)).and(reopens.then_some(FormEvent::Reopened(id)));
        Ok(tx.commit_sealed(form, |_| events).await?)
    }
}

/// Returns the places that a write based on the version `base` gives another value than they have now, although
/// somebody else has changed them since; at most as many as an answer lists.
fn conflicts(document: &FormDocument, places: &[PatchedPlace], base: i64) -> Vec<String> {
    let conflicting = places.iter().filter(|place| place.changed && document.is_changed_after(place, base));
    conflicting.take(FAULTS_LISTED).map(|place| place.place.clone()).collect()
}

/// Returns the names of what a save changes, for the trail, which takes few names and no ids of entries: each field
/// once, a group for the fields in it, and `values` alone instead of too many. The history has the places.
fn names(changed: &[&PatchedPlace], with_language: bool) -> Vec<String> {
    let keys: BTreeSet<&str> = changed.iter().map(|place| first(&place.place)).collect();
    let language = with_language.then(|| "language".to_owned());
    if keys.len() + usize::from(with_language) > NAMED {
        return std::iter::once("values".to_owned()).chain(language).collect();
    }
    keys.into_iter().map(|key| format!("values.{key}")).chain(language).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(place: String) -> PatchedPlace {
        PatchedPlace { place, changed: true, deleted: false }
    }

    fn named(places: &[PatchedPlace], with_language: bool) -> Vec<String> {
        names(&places.iter().collect::<Vec<_>>(), with_language)
    }

    #[test]
    fn the_trail_names_each_field_and_group_once_and_no_entry() {
        let entry = |field: &str| place(format!("drugs/01923f5e-7c1a-7b1e-9d3f-5a6b7c8d9e0f/{field}"));
        let places = [place("pain".to_owned()), entry("dose"), entry("name")];
        assert_eq!(named(&places, false), ["values.drugs", "values.pain"]);
        assert_eq!(named(&places[..1], true), ["values.pain", "language"]);
        assert_eq!(named(&[], true), ["language"]);
    }

    #[test]
    fn the_trail_names_no_more_than_it_takes() {
        let places: Vec<PatchedPlace> = (0..=NAMED).map(|number| place(format!("item_{number}"))).collect();
        assert_eq!(named(&places[..NAMED], false).len(), NAMED);
        assert_eq!(named(&places[..NAMED], true), ["values", "language"]);
        assert_eq!(named(&places, false), ["values"]);
    }

    #[test]
    fn a_refusal_lists_a_bounded_number_of_conflicts() {
        let places: Vec<PatchedPlace> = (0..=FAULTS_LISTED).map(|number| place(format!("item_{number}"))).collect();
        let changed_in = places.iter().map(|place| (place.place.clone(), 2)).collect();
        let document = FormDocument { changed_in, ..FormDocument::default() };
        assert_eq!(conflicts(&document, &places, 1).len(), FAULTS_LISTED);
        assert_eq!(conflicts(&document, &places, 2), [""; 0]);
    }
}
