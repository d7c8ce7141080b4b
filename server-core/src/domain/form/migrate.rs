//! Moves of forms to later versions of their templates.

use super::{
    error::FormError,
    event::FormEvent,
    model::{Form, FormStatus},
    service::{Service, VALUES},
    upkeep_model::MigrateForm,
    upkeep_repository as repository,
};
use crate::{
    database::{Disclosed, Sealed},
    domain::rules::{FieldFaults, InvalidValue},
    event::Events,
    identity::Caller,
    ids::{FormId, OrganizationId},
};

/// Pointer of the version to move to, in the body.
const TARGET: &str = "/form_template_version";

impl Service {
    /// Moves a form that nobody has signed to a later version of its template, in which every answer has to fit; those
    /// to hidden fields, too. One that was submitted becomes a draft, because the version may ask more.
    pub(super) async fn migrate(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: FormId,
        input: &MigrateForm,
    ) -> Result<Disclosed<Form>, FormError> {
        let mut tx = self.begin(caller, id).await?;
        let mut open = self.locked(&mut tx, organization, id, input.version).await?;
        let was_submitted = match open.row.summary.status {
            FormStatus::Draft => false,
            FormStatus::Submitted => true,
            FormStatus::PartlySigned | FormStatus::Signed => return Err(FormError::Signed),
            FormStatus::Void => return Err(FormError::Void),
        };
        let (template, present) = (open.row.summary.form_template_id, open.row.summary.form_template_version);
        let wanted = input.form_template_version;
        let target = repository::template_version(&mut tx, organization, template, wanted).await?.ok_or_else(|| {
            InvalidValue::new(TARGET, "unknown_reference", "is no published version of the form's template")
        })?;
        if target == present {
            return Err(FormError::NothingToMigrate);
        }
        if target < present {
            let message = format!("must be later than {present}, the form's present version");
            return Err(InvalidValue::new(TARGET, "minimum", &message).into());
        }
        let version = self.versions.get(&mut tx, organization, template, target).await?;
        let mut faults = FieldFaults::default();
        let answers = version.compiled.fits(&open.version.compiled, &open.document.answers, VALUES, &mut faults);
        faults.check()?;
        open.document.answers = version.compiled.write(&answers, None);
        let sealed = open.document.seal(open.row.summary.uid, &open.key)?;
        let migrated = repository::form_migrate(&mut tx, organization, id, target, &sealed).await?;
        open.row.summary.status = FormStatus::Draft;
        open.row.summary.submitted_at = None;
        open.row.summary.form_template_version = target;
        open.row.summary.version = migrated.version;
        open.row.summary.updated_at = migrated.updated_at;
        open.version = version;
        let form = Sealed::new(open.shown(None, false)?);
        let reopened = was_submitted.then_some(FormEvent::Reopened(id));
        Ok(tx.commit_sealed(form, |_| Events::from(FormEvent::Migrated(id)).and(reopened)).await?)
    }
}
