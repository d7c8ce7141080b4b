use serde_json::Value;
use server_shared::{
    mark::Phi,
    value::{Key, Line},
};

use super::super::{
    error::FormError,
    model::{FormStatus, FormWriteBack, FormWriteBackField},
    repository,
    service::{OpenForm, Service},
};
use crate::{
    audit::Audit,
    database::{Disclosed, Sealed, WriteTx},
    domain::{field::FieldDefinition, profile::FormValue},
    event::Events,
    identity::{Caller, Permission},
    ids::{CustomFieldId, FormId, OrganizationId},
};

/// Field that a form writes back.
struct BackField<'a> {
    key: &'a Key,
    custom_field: CustomFieldId,
    profile_key: &'a Key,
    /// `true` if the form protects the answer: it is protected health information, or a protected answer decides
    /// whether it is there.
    protected: bool,
    /// Definition that the form has of the custom field.
    definition: &'a FieldDefinition,
    /// Answer, unless the field is hidden.
    value: Option<Value>,
}

impl BackField<'_> {
    fn given(&self) -> FormValue<'_> {
        FormValue {
            field: self.custom_field,
            phi: self.protected,
            unit: self.definition.unit.as_ref().map(Line::as_str),
            value: self.value.as_ref(),
        }
    }
}

impl Service {
    /// Returns the effect that the last signature of a form would have now if the caller gave it.
    pub(in crate::domain::form) async fn write_back_preview(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        id: FormId,
    ) -> Result<Disclosed<FormWriteBack>, FormError> {
        let mut tx = self.database.disclose(caller).await?;
        let row = repository::form_get(&mut tx, id).await?.ok_or(FormError::NotFound)?;
        let open = self.opened(&mut tx, organization, row).await?;
        let patient = open.row.summary.patient_id;
        let fields = if open.row.summary.status == FormStatus::Void { Vec::new() } else { written_back(&open) };
        let given: Vec<FormValue<'_>> = fields.iter().map(BackField::given).collect();
        let effects = match given.as_slice() {
            [] => Vec::new(),
            given => self.profiles.form_values_preview(&mut tx, caller, organization, patient, given).await?,
        };
        // A key for forms is none for profiles.
        let sees_profile = caller.may(Permission::PatientRead).is_ok();
        let fields = fields.iter().zip(effects).map(|(field, (outcome, present))| FormWriteBackField {
            key: field.key.clone(),
            profile_key: field.profile_key.clone(),
            outcome,
            value: field.value.clone().map(Phi::from),
            present: present.filter(|_| sees_profile).map(Phi::from),
        });
        let sealed = Sealed::new(FormWriteBack { fields: fields.collect() });
        Ok(tx.disclose(sealed, |_| Audit::read([&id]).and([Audit::read([&patient])])).await?)
    }

    /// Writes the answers of a form that gets its last signature into the profile, as far as the signer's role writes
    /// them and the custom fields accept them; returns the event for the commit.
    pub(in crate::domain::form) async fn write_back(
        &self,
        tx: &mut WriteTx,
        caller: &Caller,
        organization: OrganizationId,
        open: &OpenForm,
    ) -> Result<Option<Events>, FormError> {
        let fields = written_back(open);
        let given: Vec<FormValue<'_>> =
            fields.iter().filter(|field| field.value.is_some()).map(BackField::given).collect();
        let patient = open.row.summary.patient_id;
        let written = self.profiles.form_values_write(tx, caller, organization, patient, &given).await?;
        Ok(written.map(Events::from))
    }
}

/// Returns the fields that a form writes back, in their order.
fn written_back(open: &OpenForm) -> Vec<BackField<'_>> {
    let (content, compiled) = (&open.version.content, &open.version.compiled);
    let answers = compiled.read_stored(&open.document.answers);
    let mut kept = compiled.write(&answers, Some(&compiled.evaluate(&answers)));
    let telling = compiled.keys_shown_by_protected(&content.phi_cleared);
    let items = content.definition.sections.iter().flat_map(|section| &section.items);
    let back = items.filter_map(|item| {
        let pinned = item.field.as_ref().filter(|field| field.write_back)?.custom_field?;
        let is_pinned = |id: CustomFieldId, version: i32| (id, version) == (pinned.id, pinned.version);
        let field = content.fields.iter().find(|field| is_pinned(field.custom_field_id, field.version))?;
        Some(BackField {
            key: &item.key,
            custom_field: pinned.id,
            profile_key: &field.key,
            protected: field.definition.phi || telling.contains(item.key.as_str()),
            definition: &field.definition,
            value: kept.shift_remove(item.key.as_str()),
        })
    });
    back.collect()
}
