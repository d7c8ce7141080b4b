//! Hashes of the content of forms.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Returns the SHA-256 of the canonical form (RFC 8785) of a definition, or of more that belongs to it. Anybody can
/// compute it from the API's answer: numbers in a definition without faults are whole or text, so that the hash doesn't
/// depend on the form in which a library writes fractions.
pub(crate) fn content_hash(content: &Value) -> [u8; 32] {
    // A value in memory has only keys that are text and numbers that are finite, so that writing it can't fail.
    let canonical = serde_json_canonicalizer::to_vec(content).unwrap_or_else(|_| content.to_string().into_bytes());
    Sha256::digest(canonical).into()
}
