//! Signed tokens: verification against published keys, and our own Ed25519 issuer.
