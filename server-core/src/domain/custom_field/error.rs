use server_shared::errors;

use crate::{
    database::DatabaseError,
    domain::rules::{InvalidValue, StaleVersion},
};

errors! {
    /// Errors of custom fields.
    pub(crate) enum CustomFieldError {
        NotFound => NotFound "custom_field_not_found" "There is no such custom field.",
        KeyTaken => Conflict "custom_field_key_taken"
            "Another custom field of this entity has the key; if it is archived, restore it, or choose another key.",
        TooMany => Conflict "too_many_custom_fields"
            "This entity has 200 custom fields in use, or 500 with the archived ones; archive or delete some first.",
        Archived => Conflict "custom_field_archived" "The custom field is archived; restore it first.",
        PhiInUse => Conflict "custom_field_phi_in_use"
            "Values of the field are stored, so `phi` must stay as it is; archive the field and create another one.",
    }
    and those of {
        Stale(#[from] StaleVersion),
        Invalid(#[from] InvalidValue),
        Database(#[from] DatabaseError),
    }
}
