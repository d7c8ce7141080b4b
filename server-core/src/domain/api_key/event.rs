//! Events of API keys.

use crate::{event::events, ids::ApiKeyId};

events! {
    /// Event of an API key.
    ApiKeyEvent of ApiKeyId {
        /// The key was created.
        Created => "created",
        /// The key got a new secret.
        Rotated => "rotated",
        /// The key was revoked.
        Revoked => "revoked",
    }
}
