//! Events of API keys.

use crate::{event::events, ids::ApiKeyId};

events! {
    /// Something that happened to an API key.
    ApiKeyEvent of ApiKeyId {
        /// It has been added.
        Created => "created",
        /// It has a new secret.
        Rotated => "rotated",
        /// It opens nothing any more.
        Revoked => "revoked",
    }
}
