//! Custom fields as the engine of forms asks for them: as they are now, and as they were when a draft was saved or
//! published.

use std::collections::{BTreeMap, BTreeSet};

use server_shared::value::Key;

use super::model::FormField;
use crate::{
    domain::{
        custom_field::{FieldEntity, ReferredField, ReferredFields},
        field::FieldDefinition,
        form_definition::{FieldLibrary, FormDefinition, PinnedField},
    },
    ids::CustomFieldId,
};

/// Custom fields that a definition refers to.
#[derive(Debug, Default)]
pub(super) struct Referred {
    /// Versions that it names.
    pub(super) pinned: BTreeSet<PinnedField>,
    /// Keys of patients' custom fields that it prefills answers from.
    pub(super) prefilling: BTreeSet<Key>,
}

impl Referred {
    pub(super) fn by(definition: &FormDefinition) -> Self {
        let mut referred = Self::default();
        for field in definition.fields() {
            referred.pinned.extend(field.custom_field);
            referred.prefilling.extend(field.prefill.as_ref().and_then(|prefill| prefill.profile.clone()));
        }
        referred
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pinned.is_empty() && self.prefilling.is_empty()
    }
}

/// Custom fields as they are now.
#[derive(Debug, Default)]
pub(super) struct PresentFields {
    pinned: BTreeMap<PinnedField, ReferredField>,
    /// Patients' fields that answers are prefilled from, by key.
    prefilling: BTreeMap<Key, ReferredField>,
}

impl PresentFields {
    /// Takes the custom fields that exist of those that a definition refers to.
    pub(super) fn new(ReferredFields { versions, of_patients }: ReferredFields) -> Self {
        let pin = |field: &ReferredField| PinnedField { id: field.id, version: field.version };
        Self {
            pinned: versions.into_iter().map(|field| (pin(&field), field)).collect(),
            prefilling: of_patients.into_iter().map(|field| (field.key.clone(), field)).collect(),
        }
    }

    /// Returns the pinned versions in the form in which they are stored with a draft, archived fields included.
    pub(super) fn pinned(&self) -> impl Iterator<Item = FormField> {
        self.pinned.values().map(|field| FormField {
            custom_field_id: field.id,
            version: field.version,
            entity: field.entity,
            key: field.key.clone(),
            definition: field.definition.clone(),
        })
    }
}

impl FieldLibrary for PresentFields {
    fn field(&self, id: CustomFieldId, version: i32) -> Option<&FieldDefinition> {
        let field = self.pinned.get(&PinnedField { id, version })?;
        (!field.archived).then_some(&field.definition)
    }

    fn is_of_patient(&self, id: CustomFieldId) -> bool {
        of_field(&self.pinned, id).is_some_and(|field| field.entity == FieldEntity::Patient)
    }

    fn profile(&self, key: &Key) -> Option<&FieldDefinition> {
        self.prefilling.get(key).map(|field| &field.definition)
    }
}

/// Custom fields as they are stored with a definition that had no fault then. It has none later either: what is
/// published stays valid, whatever becomes of the custom fields.
#[derive(Debug)]
pub(crate) struct StoredFields<'a> {
    pinned: BTreeMap<PinnedField, &'a FormField>,
    /// Definitions of the fields that are prefilled, by the key of the source, which had the same type.
    prefilled: BTreeMap<&'a Key, &'a FieldDefinition>,
}

impl<'a> StoredFields<'a> {
    pub(super) fn of(definition: &'a FormDefinition, fields: &'a [FormField]) -> Self {
        let pin = |field: &FormField| PinnedField { id: field.custom_field_id, version: field.version };
        let pinned: BTreeMap<PinnedField, &FormField> = fields.iter().map(|field| (pin(field), field)).collect();
        let mut prefilled: BTreeMap<&Key, &FieldDefinition> = BTreeMap::new();
        for field in definition.fields() {
            let source = field.prefill.as_ref().and_then(|prefill| prefill.profile.as_ref());
            let stored = field.custom_field.and_then(|version| pinned.get(&version).copied());
            let defined = field.definition.as_ref().or(stored.map(|field| &field.definition));
            if let Some((source, defined)) = source.zip(defined) {
                let stands_for = prefilled.entry(source).or_insert(defined);
                // A source that an open field is filled from was open.
                if !defined.phi {
                    *stands_for = defined;
                }
            }
        }
        Self { pinned, prefilled }
    }
}

impl FieldLibrary for StoredFields<'_> {
    fn field(&self, id: CustomFieldId, version: i32) -> Option<&FieldDefinition> {
        self.pinned.get(&PinnedField { id, version }).map(|field| &field.definition)
    }

    fn is_of_patient(&self, id: CustomFieldId) -> bool {
        of_field(&self.pinned, id).is_some_and(|field| field.entity == FieldEntity::Patient)
    }

    fn profile(&self, key: &Key) -> Option<&FieldDefinition> {
        self.prefilled.get(key).copied()
    }
}

/// Returns the first version of a custom field that is pinned; versions are numbered from 1.
fn of_field<T>(pinned: &BTreeMap<PinnedField, T>, id: CustomFieldId) -> Option<&T> {
    let (first, field) = pinned.range(PinnedField { id, version: 0 }..).next()?;
    (first.id == id).then_some(field)
}
