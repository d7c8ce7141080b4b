//! Signed tokens: verification against published keys, and our own Ed25519 issuer.
//!
//! Core verifies the session tokens of its identity provider (RS256) and signs telemetry tokens;
//! Telemetry verifies those (EdDSA) against Core's `/.well-known/jwks.json`. Both use [`Verifier`].
//! `docs/decisions/0002-jwt-backend.md` records the choice of the cryptographic backend.

mod jwks;
mod signer;
mod statement;
mod verifier;

pub use jwks::{Jwks, JwksTiming, KeyError, KeySource};
pub use signer::{Ed25519Signer, SignError};
pub use statement::Statements;
pub use verifier::{Algorithm, Rules, TokenError, Verifier};

/// Restores the lines of a PEM, which environment variables hold on one line with `\n` written out.
fn pem_lines(pem: &str) -> secrecy::zeroize::Zeroizing<String> {
    pem.replace("\\n", "\n").into()
}

#[cfg(test)]
mod tests;
