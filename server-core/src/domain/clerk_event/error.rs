use server_shared::{crypto::WebhookError, errors};

use crate::{
    database::DatabaseError,
    domain::{member::MemberError, user::UserError},
};

errors! {
    /// Errors of Clerk's messages.
    pub(crate) enum ClerkError {
        NotSigned(#[from] WebhookError) => Unauthenticated "invalid_signature"
            "The message is not signed as Clerk signs: {0}.",
        Malformed => Invalid "validation_failed" "The message is not one that Clerk is known to send.",
    }
    and those of {
        User(#[from] UserError),
        Member(#[from] MemberError),
        Database(#[from] DatabaseError),
    }
}
