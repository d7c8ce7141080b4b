//! The owner's pool outside of any caller's context.

use sqlx::PgPool;

/// The owner's pool, for what no caller asks for: jobs, caches and sweeps, which work for every organization.
///
/// Row-level security lets it see every row, so a function that takes it says so in its signature; whatever
/// has a caller goes through [`super::Database::read`], `disclose` or `write`.
#[derive(Debug, Clone)]
pub(crate) struct Across(PgPool);

impl Across {
    /// The door over the owner's pool.
    pub(crate) fn new(owner: PgPool) -> Self {
        Self(owner)
    }

    /// The pool, for a statement of its own.
    pub(crate) fn pool(&self) -> &PgPool {
        &self.0
    }
}
