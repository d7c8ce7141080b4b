use server_shared::errors;

use crate::database::DatabaseError;

errors! {
    /// Errors of specialties.
    pub(crate) enum SpecialtyError {
        NotFound => NotFound "specialty_not_found" "There is no such specialty.",
        NameTaken => Conflict "specialty_name_taken" "Another specialty in use has this name.",
    }
    and those of {
        Database(#[from] DatabaseError),
    }
}
