use server_shared::errors;

use crate::{database::DatabaseError, domain::user::UserError};

errors! {
    /// Errors of members.
    pub(crate) enum MemberError {
        NotFound => NotFound "member_not_found" "This user is not a member of the organization.",
        AlreadyMember => Conflict "already_member" "The user is already a member; change its role instead.",
        LastAdmin => Conflict "last_admin" "This is the last administrator of the organization; appoint another one first.",
    }
    and those of {
        User(#[from] UserError),
        Database(#[from] DatabaseError),
    }
}
