use std::{collections::BTreeMap, sync::Arc};

use poem_openapi::types::ParseFromJSON as _;
use serde_json::Value;
use server_shared::{
    http::{Page, Paging},
    mark::Phi,
    value::LanguageTag,
};

use super::{
    document::FormDocument,
    error::FormError,
    event::FormEvent,
    model::{Form, FormFilter, FormSort, FormStatus, FormSummary},
    repository,
    row::FormRow,
    signature::FormSignature,
    version::{TemplateVersion, Versions},
};
use crate::{
    audit::Audit,
    database::{Database, DatabaseError, Disclosed, Sealed, Tx, WriteTx},
    domain::{
        form_definition::FormEvaluation,
        patient, profile,
        rules::{FieldFaults, StaleVersion},
    },
    encryption::{Encryption, OpenKey},
    identity::{Caller, Role},
    ids::{FormId, OrganizationId},
};

/// Pointer of the answers in bodies, and of their faults.
pub(super) const VALUES: &str = "/values";

/// Service for forms.
#[derive(Clone)]
pub(crate) struct Service {
    pub(super) database: Database,
    pub(super) encryption: Arc<Encryption>,
    /// Versions of templates that forms were opened with.
    pub(super) versions: Arc<Versions>,
    pub(super) profiles: profile::Service,
    pub(super) patients: patient::Service,
}

/// Form with everything that decides about it, opened.
pub(super) struct OpenForm {
    pub(super) row: FormRow,
    /// Key of the record that the form was made for.
    pub(super) key: OpenKey,
    /// Answers; of a signed form those of its content, without the saves that brought them.
    pub(super) document: FormDocument,
    /// Version of the template that the form asks.
    pub(super) version: Arc<TemplateVersion>,
    /// Signatures in their order.
    pub(super) signatures: Vec<FormSignature>,
    /// Content that was signed; `None` before the first signature.
    pub(super) content: Option<Value>,
}

impl OpenForm {
    /// Works out what the form shows, requires and computes. The scores of a signed form are those that were signed.
    pub(super) fn evaluation(&self) -> FormEvaluation {
        let compiled = &self.version.compiled;
        // Checked when they were given; an option may be retired in the version that the form was moved to.
        let answers = compiled.read_stored(&self.document.answers);
        let none = FieldFaults::default();
        let mut evaluation = compiled.report(&answers, &compiled.evaluate(&answers), VALUES, &none);
        let signed = self.content.as_ref().and_then(|content| content.get("scores"));
        if let Some(Ok(scores)) = signed.map(|scores| Vec::parse_from_json(Some(scores.clone()))) {
            evaluation.scores = scores;
        }
        evaluation
    }

    /// Returns the form as it is answered; its definition is in `language`, or in the language of the form.
    pub(super) fn shown(&self, language: Option<&LanguageTag>, with_definition: bool) -> Result<Form, DatabaseError> {
        let own = LanguageTag::parse(&self.row.summary.language);
        let definition = language.or(own.as_ref()).filter(|_| with_definition);
        let definition = definition.map(|language| self.version.definition(language));
        Ok(Form { definition, ..self.evaluated(self.evaluation())? })
    }

    /// Returns the form without its definition, with this evaluation.
    pub(super) fn evaluated(&self, evaluation: FormEvaluation) -> Result<Form, DatabaseError> {
        let FormDocument { answers, changed_in, prefilled, .. } = &self.document;
        let values: BTreeMap<String, Value> = answers.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        Ok(Form {
            summary: self.row.summary.clone(),
            definition: None,
            values: Phi::from(values),
            evaluation: Phi::from(evaluation),
            prefilled: prefilled.clone(),
            changed_in: changed_in.clone(),
            signatures: self.signatures.clone(),
            content: self.content.clone().map(Phi::from),
            void_reason: self.row.void_reason(&self.key)?,
        })
    }
}

impl Service {
    pub(crate) fn new(
        database: Database,
        encryption: Arc<Encryption>,
        profiles: profile::Service,
        patients: patient::Service,
    ) -> Self {
        Self { database, encryption, versions: Arc::new(Versions::new()), profiles, patients }
    }

    pub(super) async fn list(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        filter: &FormFilter,
        sort: FormSort,
        paging: Paging,
    ) -> Result<Page<FormSummary>, FormError> {
        let mut reader = self.database.read(caller).open().await?;
        Ok(repository::form_page(&mut reader, organization, filter, sort, paging).await?)
    }

    /// Returns a form, with its definition or without.
    pub(super) async fn get(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: FormId,
        language: Option<&LanguageTag>,
        with_definition: bool,
    ) -> Result<Disclosed<Form>, FormError> {
        let mut tx = self.database.disclose(caller).await?;
        let row = repository::form_get(&mut tx, id).await?.ok_or(FormError::NotFound)?;
        let open = Sealed::new(self.opened(&mut tx, organization, row).await?);
        let form = open.try_map(|open| open.shown(language, with_definition))?;
        Ok(tx.disclose(form, |_| Audit::read([&id])).await?)
    }

    pub(super) async fn delete(&self, caller: &Caller, id: FormId) -> Result<(), FormError> {
        let mut tx = self.begin(caller, id).await?;
        let row = repository::form_lock(&mut tx, id).await?.ok_or(FormError::NotFound)?;
        match row.summary.status {
            FormStatus::Draft => {}
            FormStatus::Void => return Err(FormError::Void),
            FormStatus::Submitted | FormStatus::PartlySigned | FormStatus::Signed => return Err(FormError::NotDraft),
        }
        // Row-level security refuses it too, but as an internal error.
        if caller.role() == Some(Role::Patient) && row.summary.created_by_user_id != caller.user_id {
            return Err(FormError::DeletionForbidden);
        }
        repository::form_delete(&mut tx, id).await?;
        tx.commit(FormEvent::Deleted(id)).await?;
        Ok(())
    }

    /// Begins a write of a form, which [`Service::locked`] or [`Service::changeable`] goes on with: the form is
    /// locked in the round trip of the begin.
    pub(super) async fn begin(&self, caller: &Caller, id: FormId) -> Result<WriteTx, DatabaseError> {
        self.database.write_attempt(caller, Vec::new(), repository::form_hold_first(id)).await
    }

    /// Locks a form that is not void and has the version `version`, and opens it.
    pub(super) async fn locked(
        &self,
        tx: &mut WriteTx,
        organization: OrganizationId,
        id: FormId,
        version: i64,
    ) -> Result<OpenForm, FormError> {
        let row = lock(tx, id).await?;
        StaleVersion::check(version, row.summary.version)?;
        self.opened(tx, organization, row).await
    }

    /// Locks a form whose answers can change, whatever version it has, and opens it.
    pub(super) async fn changeable(
        &self,
        tx: &mut WriteTx,
        organization: OrganizationId,
        id: FormId,
    ) -> Result<OpenForm, FormError> {
        let row = lock(tx, id).await?;
        if matches!(row.summary.status, FormStatus::PartlySigned | FormStatus::Signed) {
            return Err(FormError::Signed);
        }
        self.opened(tx, organization, row).await
    }

    /// Opens a form that was read.
    pub(super) async fn opened(
        &self,
        tx: &mut impl Tx,
        organization: OrganizationId,
        row: FormRow,
    ) -> Result<OpenForm, FormError> {
        if row.is_erased() {
            return Err(FormError::Erased);
        }
        let key = row.key(&self.encryption, organization)?;
        let (template, number) = (row.summary.form_template_id, row.summary.form_template_version);
        let version = self.versions.get(tx, organization, template, number).await?;
        let content = row.content(&key)?;
        let (document, signatures) = match &content {
            None => (FormDocument::open(&row, &key)?, Vec::new()),
            Some(content) => {
                (FormDocument::of_content(content), repository::signatures_get(tx, organization, row.summary.id).await?)
            }
        };
        Ok(OpenForm { row, key, document, version, signatures, content })
    }
}

/// Locks a form that is not void.
async fn lock(tx: &mut WriteTx, id: FormId) -> Result<FormRow, FormError> {
    let row = repository::form_lock(tx, id).await?.ok_or(FormError::NotFound)?;
    if row.summary.voided_at.is_some() { Err(FormError::Void) } else { Ok(row) }
}
