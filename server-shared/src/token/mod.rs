//! Signed tokens: verification against published keys, and our own Ed25519 issuer.
//!
//! Core verifies the session tokens of its identity provider (RS256) and signs telemetry tokens;
//! Telemetry verifies those (EdDSA) against Core's `/.well-known/jwks.json`. Both use [`Verifier`].
//! Which cryptographic backend does the work, and why, is in `docs/decisions/0002-jwt-backend.md`.

mod jwks;
mod signer;
mod statement;
mod verifier;

pub use jwks::{Jwks, JwksTiming, KeyError, KeySource};
pub use signer::{Ed25519Signer, SignError};
pub use statement::Statements;
pub use verifier::{Algorithm, Rules, TokenError, Verifier};

/// Environments hold a PEM on one line with `\n` written out; this gives it its lines back.
fn pem_lines(pem: &str) -> secrecy::zeroize::Zeroizing<String> {
    pem.replace("\\n", "\n").into()
}

#[cfg(test)]
mod tests;
