//! Links between records and the users who sign in as them: patients, specialists.
//!
//! A kind of record states how its table differs ([`Linked`]); the service is the same for each ([`Links`]).

mod repository;
mod service;

use sqlx::{Encode, Postgres, Type};

use crate::{database::DatabaseError, event::Events};

pub(crate) use service::Links;

/// Id of a record that may be linked to one user. Its table has `organization_id`, `id`, `user_id` and `deleted_at`.
pub(crate) trait Linked: for<'q> Encode<'q, Postgres> + Type<Postgres> + Copy + Send + Sync + 'static {
    /// The domain's error.
    type Error: From<LinkError> + From<DatabaseError>;
    /// Table of the records.
    const TABLE: &'static str;
    /// Assignments that accompany every update of a record.
    const CHANGED: &'static str;
    /// Name of the constraint by which a user has at most one record in each organization.
    const USER_KEY: &'static str;
    /// Name of the foreign key by which the user is a member.
    const MEMBER_KEY: &'static str;

    /// Returns the event of an unlinked record.
    fn unlinked(self) -> Events;
}

/// Reasons for refusing to link or unlink a record; the error of each domain has a variant for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkError {
    /// The record does not exist, or the user is not a member.
    NotFound,
    /// The user is linked to another record.
    UserTaken,
    /// The record is linked to a user.
    AlreadyLinked,
    /// The record is not linked.
    HasNoUser,
}
