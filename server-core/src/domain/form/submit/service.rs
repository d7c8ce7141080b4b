use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    super::{
        answers::answer_rows,
        document::is_entry,
        error::FormError,
        event::FormEvent,
        model::{Form, FormStatus},
        service::{Service, VALUES},
    },
    repository::{self, Submission},
};
use crate::{
    database::{Disclosed, Sealed},
    domain::{
        form_definition::PatchedPlace,
        rules::{FieldFaults, InvalidValue},
    },
    identity::Caller,
    ids::{FormId, OrganizationId},
};

impl Service {
    /// Submits a draft: checks every answer again, drops those to hidden fields, and stores in the clear what is no
    /// protected health information.
    pub(in crate::domain::form) async fn submit(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: FormId,
        version: i64,
    ) -> Result<Disclosed<Form>, FormError> {
        let mut tx = self.begin(caller, id).await?;
        let mut open = self.locked(&mut tx, organization, id, version).await?;
        match open.row.summary.status {
            FormStatus::Draft => {}
            FormStatus::Submitted => return Err(FormError::Submitted),
            FormStatus::PartlySigned | FormStatus::Signed => return Err(FormError::Signed),
            FormStatus::Void => return Err(FormError::Void),
        }
        let template = Arc::clone(&open.version);
        let compiled = &template.compiled;
        let stored = compiled.read_stored(&open.document.answers);
        let mut found = FieldFaults::default();
        let answers = compiled.read(&open.document.answers, Some(&stored), VALUES, &mut found);
        let evaluation = compiled.evaluate(&answers);
        let mut missing = FieldFaults::default();
        compiled.require_by_entry(&answers, &evaluation, VALUES, &mut missing);
        checked(&found, &missing, &open.document.answers)?;

        let version = open.row.summary.version + 1;
        let dropped = compiled.hidden_places(&answers, &evaluation);
        for place in &dropped {
            let change = PatchedPlace { place: place.clone(), changed: true, deleted: is_entry(place) };
            open.document.change(&change, version);
        }
        open.document.forget();
        open.document.answers = compiled.write(&answers, Some(&evaluation));
        let clear = compiled.open_answers(&answers, &evaluation, &template.content.phi_cleared);
        let submission = Submission {
            form: id,
            version,
            document: &open.document.seal(open.row.summary.uid, &open.key)?,
            dropped: &dropped,
            answers: &answer_rows(&clear, &template.content.definition),
        };
        let at = repository::form_submit(&mut tx, &submission).await?;
        open.row.summary.status = FormStatus::Submitted;
        open.row.summary.version = version;
        open.row.summary.submitted_at = Some(at);
        open.row.summary.updated_at = at;
        let form = Sealed::new(open.shown(None, false)?);
        Ok(tx.commit_sealed(form, |_| FormEvent::Submitted(id)).await?)
    }
}

/// Refuses a form with faults: those of stored answers first, then the missing ones, with pointers that name entries by
/// their ids. An answer with a fault counts as missing, but is there.
fn checked(found: &FieldFaults, missing: &FieldFaults, answers: &Map<String, Value>) -> Result<(), InvalidValue> {
    let mut faults = FieldFaults::default();
    for fault in found.list() {
        faults.add(by_entry(&fault.pointer, answers), fault.rule.clone(), fault.message.clone());
    }
    let known: Vec<String> = faults.list().iter().map(|fault| fault.pointer.clone()).collect();
    for fault in missing.list().iter().filter(|fault| !known.contains(&fault.pointer)) {
        faults.add(&*fault.pointer, fault.rule.clone(), fault.message.clone());
    }
    faults.check()
}

/// Returns a pointer with the id of the entry instead of its place, e.g. `/values/medication/<id>/name`.
fn by_entry(pointer: &str, answers: &Map<String, Value>) -> String {
    let named = || {
        let (group, rest) = pointer.strip_prefix(VALUES)?.strip_prefix('/')?.split_once('/')?;
        let (place, field) = rest.split_once('/').map_or((rest, None), |(place, field)| (place, Some(field)));
        let id = answers.get(group)?.get(place.parse::<usize>().ok()?)?.get("id")?.as_str()?;
        let field = field.map(|field| format!("/{field}")).unwrap_or_default();
        Some(format!("{VALUES}/{group}/{id}{field}"))
    };
    named().unwrap_or_else(|| pointer.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pointers_name_entries_by_their_ids() {
        let answers = json!({ "pain": 3, "drugs": [{ "id": "a", "name": "x" }, { "id": "b" }] });
        let answers = answers.as_object().cloned().unwrap_or_default();
        for (pointer, named) in [
            ("/values/drugs/1/name", "/values/drugs/b/name"),
            ("/values/drugs/0", "/values/drugs/a"),
            ("/values/drugs/7/name", "/values/drugs/7/name"),
            ("/values/drugs", "/values/drugs"),
            ("/values/pain", "/values/pain"),
        ] {
            assert_eq!(by_entry(pointer, &answers), named);
        }
    }
}
