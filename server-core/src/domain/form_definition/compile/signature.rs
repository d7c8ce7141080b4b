//! Checks of the signatures that a form needs.

use std::collections::BTreeSet;

use crate::domain::{form_definition::model::FormDefinition, rules::FieldFaults};

/// Adds a fault for each signature that is there twice: the second one would say nothing new.
pub(super) fn check_signatures(definition: &FormDefinition, faults: &mut FieldFaults) {
    let mut seen = BTreeSet::new();
    for (index, signature) in definition.signatures.iter().enumerate() {
        if !seen.insert(signature) {
            let message = "is a signature of the same signer with the same meaning as another one";
            faults.add(format!("/signatures/{index}"), "repeated", message);
        }
    }
}
