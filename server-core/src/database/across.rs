//! The owner's pool, used without a caller's context.

use sqlx::PgPool;

/// The owner's pool, for jobs, caches and sweeps, which work for every organization and have no caller.
///
/// Row-level security lets this pool see every row, so a function that takes `Across` states that in its signature.
/// Code that has a caller goes through [`super::Database::read`], `disclose` or `write`.
#[derive(Debug, Clone)]
pub(crate) struct Across(PgPool);

impl Across {
    /// Wraps the owner's pool.
    pub(crate) fn new(owner: PgPool) -> Self {
        Self(owner)
    }

    /// Returns the pool, for a statement that is a transaction of its own.
    pub(crate) fn pool(&self) -> &PgPool {
        &self.0
    }
}
