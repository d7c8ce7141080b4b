use poem_openapi::types::ToJSON as _;
use serde_json::Value;
use server_shared::{error::FieldFault, value::Key};

use super::{
    error::FormTemplateError,
    library::StoredFields,
    model::{FormContent, FormFault, FormField},
    repository::FormTemplateRow,
    stored::AsStored,
};
use crate::{
    database::DatabaseError,
    domain::form_definition::{Compiled, FormDefinition},
};

/// Everything that forms ask and show, of a version or of a draft without faults.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) definition: FormDefinition,
    /// Custom fields that the definition refers to.
    pub(crate) fields: Vec<FormField>,
    /// Scores that are published without protection, in alphabetical order.
    pub(crate) phi_cleared: Vec<Key>,
}

impl Content {
    /// Reads the content of a version.
    pub(super) fn read(stored: &AsStored<FormContent>) -> Result<Self, DatabaseError> {
        let FormContent { definition, fields, phi_cleared } = stored.read()?;
        let fields = fields.iter().map(AsStored::read).collect::<Result<_, _>>()?;
        Ok(Self { definition: definition.read()?, fields, phi_cleared })
    }

    /// Reads the content of a version from the JSON in which it is stored.
    pub(crate) fn of_version(stored: Value) -> Result<Self, DatabaseError> {
        Self::read(&AsStored::new(stored))
    }

    /// Reads the draft of a template; refuses one with faults.
    pub(super) fn of_draft(row: FormTemplateRow) -> Result<Self, FormTemplateError> {
        let faults: Vec<FormFault> = AsStored::new(row.faults).read()?;
        if !faults.is_empty() {
            let faults: Vec<_> =
                faults.into_iter().map(|fault| FieldFault::new(fault.pointer, fault.rule, fault.message)).collect();
            return Err(FormTemplateError::faulty(&faults));
        }
        let definition = AsStored::<FormDefinition>::new(row.definition).read()?;
        let fields = AsStored::<Vec<FormField>>::new(row.fields).read()?;
        Ok(Self { definition, fields, phi_cleared: Vec::new() })
    }

    /// Writes the content of a version as it is stored and hashed.
    pub(super) fn json(&self) -> Value {
        let content = FormContent {
            definition: AsStored::of(&self.definition),
            fields: self.fields.iter().map(AsStored::of).collect(),
            phi_cleared: self.phi_cleared.clone(),
        };
        content.to_json().unwrap_or_default()
    }

    /// Returns the custom fields as the engine asks for them.
    pub(crate) fn library(&self) -> StoredFields<'_> {
        StoredFields::of(&self.definition, &self.fields)
    }

    /// Makes the form ready to be evaluated.
    pub(crate) fn compile(&self) -> Result<Compiled, DatabaseError> {
        Compiled::build(&self.definition, &self.library()).map_err(|faults| {
            let places: Vec<&str> = faults.list().iter().map(|fault| fault.pointer.as_str()).collect();
            DatabaseError::Damaged(format!("a stored form has faults at {}", places.join(", ")))
        })
    }
}
