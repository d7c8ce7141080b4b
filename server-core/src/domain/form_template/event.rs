//! Events of form templates.

use crate::{
    event::events,
    ids::{Entity, FormTemplateId},
};

events! {
    /// Event of a form template.
    FormTemplateEvent of FormTemplateId {
        /// The form template was created.
        Created => "created",
        /// Fields of the form template or of its draft were changed.
        Updated[changed] => "updated",
        /// The draft became the next version.
        Published => "published",
        /// The form template was archived, or deleted if it has no version.
        Deleted => "deleted",
    }
}

/// Score of a form template, by the template's id and the score's key.
#[derive(Debug, Clone)]
pub(crate) struct FormScore {
    pub(super) template: FormTemplateId,
    pub(super) key: String,
}

impl Entity for FormScore {
    const TYPE: &'static str = "form_score";

    fn entity_id(&self) -> String {
        format!("{}:{}", self.template, self.key)
    }
}

events! {
    /// Event of a score of a form template.
    FormScoreEvent of FormScore {
        /// An administrator published the score without the protection that its inputs have.
        PhiCleared => "phi_cleared",
    }
}
