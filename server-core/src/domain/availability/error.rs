use serde_json::json;
use server_shared::{error::FieldFault, errors};

use crate::database::DatabaseError;

errors! {
    /// Errors of open slots.
    pub(crate) enum AvailabilityError {
        SpecialistNotFound => NotFound "specialist_not_found" "There is no such specialist.",
        TemplateNotFound => NotFound "appointment_template_not_found" "There is no such appointment template.",
        NotOffered => Conflict "slot_not_offered"
            "No slot begins at this time; see the specialist's availability.",
        Taken => Conflict "slot_taken" "The slot is taken; see the specialist's availability for others.",
        InvalidRange => Malformed "invalid_range" "`from` must be before `to`, by at most 92 days."
            with json!({ "fields": [FieldFault::new("from", "range", "must be before `to`, by at most 92 days")] }),
    }
    and those of {
        Database(#[from] DatabaseError),
    }
}
