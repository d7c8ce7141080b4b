use server_shared::errors;

use crate::{database::DatabaseError, domain::rules::InvalidValue};

errors! {
    /// Errors of specialists.
    pub(crate) enum SpecialistError {
        NotFound => NotFound "specialist_not_found" "There is no such specialist.",
        UserTaken => Conflict "specialist_user_taken"
            "This user is already linked to another specialist of the organization.",
        AlreadyLinked => Conflict "record_already_linked"
            "A user is already linked to this specialist; unlink it first.",
        HasNoUser => Conflict "specialist_has_no_user" "No user is linked to this specialist.",
    }
    and those of {
        Invalid(#[from] InvalidValue),
        Database(#[from] DatabaseError),
    }
}
