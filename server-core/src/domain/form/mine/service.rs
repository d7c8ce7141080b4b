use std::{collections::HashMap, sync::Arc};

use server_shared::value::LanguageTag;

use super::{
    super::{
        document::FormDocument,
        error::FormError,
        model::FormStatus,
        row::FormRow,
        service::{OpenForm, Service},
        version::NamedVersions,
    },
    model::{DueForm, DueForms},
    repository::{self, DueRow},
};
use crate::{
    audit::Audit,
    database::{DatabaseError, Disclosed},
    identity::Caller,
    ids::{FormId, OrganizationId},
};

impl Service {
    /// Lists the drafts that wait for the patient who calls.
    pub(super) async fn due(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        language: Option<&LanguageTag>,
    ) -> Result<Disclosed<DueForms>, FormError> {
        let mut tx = self.database.disclose(caller).await?;
        let due = repository::forms_due(&mut tx, organization).await?;
        let asked = due.iter().map(|form| (form.form_template_id, form.form_template_version));
        let asked = self.versions.all(&mut tx, organization, asked).await?;
        let rows = repository::form_rows(&mut tx, &due).await?;
        let sealed = rows.try_map(|rows| self.due_shown(organization, rows, &due, &asked, language))?;
        Ok(tx.disclose(sealed, |forms| Audit::read(forms.data.iter().map(|due| &due.form.summary.id))).await?)
    }

    /// Opens drafts, and returns them in the order of `due`.
    fn due_shown(
        &self,
        organization: OrganizationId,
        rows: Vec<FormRow>,
        due: &[DueRow],
        asked: &NamedVersions,
        language: Option<&LanguageTag>,
    ) -> Result<DueForms, DatabaseError> {
        let mut rows: HashMap<FormId, FormRow> = rows.into_iter().map(|row| (row.summary.id, row)).collect();
        let mut data = Vec::with_capacity(due.len());
        for DueRow { id, appointment_started_at, .. } in due {
            // A form that was deleted, submitted, migrated or erased between the two statements is left out.
            let waits = |row: &FormRow| row.summary.status == FormStatus::Draft && !row.is_erased();
            let Some(row) = rows.remove(id).filter(waits) else { continue };
            let template = (row.summary.form_template_id, row.summary.form_template_version);
            let Some(version) = asked.get(&template) else { continue };
            let key = row.key(&self.encryption, organization)?;
            let document = FormDocument::open(&row, &key)?;
            let version = Arc::clone(version);
            let open = OpenForm { row, key, document, version, signatures: Vec::new(), content: None };
            let form = open.shown(language, true)?;
            data.push(DueForm { form, appointment_started_at: *appointment_started_at });
        }
        Ok(DueForms { data })
    }
}
