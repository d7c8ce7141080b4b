use server_shared::{errors, token::SignError};

use crate::database::DatabaseError;

errors! {
    /// Errors of a user's account.
    pub(crate) enum UserError {
        NotAMember => Forbidden "not_a_member" "You are not a member of this organization.",
        OrganizationNotFound => NotFound "organization_not_found" "There is no such organization.",
        SessionEnded => Unauthenticated "session_ended" "The session has ended; sign in again.",
        Unknown => Unauthenticated "user_unknown" "The token is valid, but its user is unknown.",
        Sign(#[from] SignError) => Internal "internal_error" "a token could not be signed",
    }
    and those of {
        Database(#[from] DatabaseError),
    }
}
