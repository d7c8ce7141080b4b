use server_shared::errors;

use crate::{database::DatabaseError, domain::rules::InvalidValue};

errors! {
    /// Errors of specialists.
    pub(crate) enum SpecialistError {
        NotFound => NotFound "specialist_not_found" "There is no such specialist.",
        UserTaken => Conflict "specialist_user_taken" "This user already is another specialist of the organization.",
        AlreadyLinked => Conflict "record_already_linked" "The specialist has a login already; end that link first.",
        HasNoUser => Conflict "specialist_has_no_user" "The specialist has no login.",
    }
    and those of {
        Invalid(#[from] InvalidValue),
        Database(#[from] DatabaseError),
    }
}
