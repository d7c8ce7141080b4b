//! Events of custom fields.

use crate::{event::events, ids::CustomFieldId};

events! {
    /// Event of a custom field.
    CustomFieldEvent of CustomFieldId {
        /// The field was created.
        Created => "created",
        /// The field has a new version, or was written without a change.
        Updated[changed] => "updated",
        /// The field was archived, because values or form templates refer to it.
        Archived => "archived",
        /// The field was taken into use again.
        Restored => "restored",
        /// The field was deleted.
        Deleted => "deleted",
    }
}
