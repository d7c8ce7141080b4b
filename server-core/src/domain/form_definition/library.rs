//! Custom fields that a definition refers to.

use server_shared::value::Key;

use crate::{domain::field::FieldDefinition, ids::CustomFieldId};

/// Custom fields of an organization, loaded before a definition is built: the engine itself reads nothing.
pub(crate) trait FieldLibrary {
    /// Returns the definition of one version of a custom field; `None` if there is none that the form may ask for. A
    /// draft asks for no archived field; a stored form without faults goes on.
    fn field(&self, id: CustomFieldId, version: i32) -> Option<&FieldDefinition>;

    /// Returns `true` if the field is one of patients, whose values a signed form may write back.
    fn is_of_patient(&self, id: CustomFieldId) -> bool;

    /// Returns the definition of the patients' custom field with this key, from whose values answers may be prefilled,
    /// or for a stored form one that stands for it; `None` if there is none.
    fn profile(&self, key: &Key) -> Option<&FieldDefinition>;
}
