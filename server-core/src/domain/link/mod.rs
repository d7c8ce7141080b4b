//! Links between records and the users who sign in as them: patients, specialists.
//!
//! A kind of record states how its table differs ([`Linked`]); the service is the same for each ([`Links`]).

mod repository;
mod service;

use sqlx::{Encode, Postgres, Type};

use crate::{database::DatabaseError, event::Events};

pub(crate) use service::Links;

/// The id of a record that may be one user's own. Its table has `organization_id`, `id`, `user_id` and `deleted_at`.
pub(crate) trait Linked: for<'q> Encode<'q, Postgres> + Type<Postgres> + Copy + Send + Sync + 'static {
    /// The domain's error.
    type Error: From<LinkError> + From<DatabaseError>;
    /// The table.
    const TABLE: &'static str;
    /// Assignments that go with every change of a record.
    const CHANGED: &'static str;
    /// Name of the constraint by which a user has at most one record in each organization.
    const USER_KEY: &'static str;
    /// Name of the constraint by which the user is a member.
    const MEMBER_KEY: &'static str;

    /// Returns the event of a record that nobody signs in as any more.
    fn unlinked(self) -> Events;
}

/// Reasons why a record is not linked or unlinked; the error of its domain has a variant for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkError {
    /// There is no such record, or the user is no member.
    NotFound,
    /// The user has another record.
    UserTaken,
    /// The record is somebody's.
    AlreadyLinked,
    /// The record is nobody's.
    HasNoUser,
}
