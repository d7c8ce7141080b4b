use server_shared::{crypto::WebhookError, errors};

use crate::{
    database::DatabaseError,
    domain::{member::MemberError, user::UserError},
};

errors! {
    /// Errors of Clerk's messages.
    pub(crate) enum ClerkError {
        NotSigned(#[from] WebhookError) => Unauthenticated "invalid_signature"
            "The message has no valid signature of Clerk: {0}.",
        Malformed => Invalid "validation_failed" "The message does not match the schema of Clerk's events.",
    }
    and those of {
        User(#[from] UserError),
        Member(#[from] MemberError),
        Database(#[from] DatabaseError),
    }
}
