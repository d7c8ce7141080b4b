//! Context of a caller: its user, role and organization, which every row-level policy compares with.

use std::fmt::Write as _;

use super::first::First;
use crate::{
    identity::Caller,
    ids::{OrganizationId, PatientId, SpecialistId},
};

/// The two pools: the owner's, and the one that row-level security binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PoolKind {
    /// The owner's pool, for superadmins and the service's own jobs.
    Owner,
    /// The restricted role's pool, for everybody else.
    App,
}

/// Transaction-local settings of one caller.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    user: Option<i64>,
    organization: Option<i64>,
    role: &'static str,
    pool: PoolKind,
    patient: Option<i64>,
    specialist: Option<i64>,
    /// API key of the caller.
    api_key: Option<i64>,
    /// Administrator who acts as the user.
    impersonator: Option<i64>,
}

/// Parameters of `context_enter` in statements that only read: user, organization, role, patient, specialist.
pub(super) type ContextParameters = (Option<i64>, Option<i64>, &'static str, Option<i64>, Option<i64>);

/// Advisory lock on something that must not change concurrently; held to the end of the transaction.
///
/// Transactions take their locks in the order of the derived `Ord`, so two bookings that need the same two locks can't
/// deadlock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lock {
    /// The members of an organization and their roles.
    Members(OrganizationId),
    /// The calendar of a specialist.
    Specialist(OrganizationId, SpecialistId),
    /// The calendar of a patient.
    Patient(OrganizationId, PatientId),
    /// The definitions of an organization's custom fields, against their change.
    FieldsRead(OrganizationId),
    /// The definitions of an organization's custom fields, against their change and their use in profiles and form
    /// templates.
    Fields(OrganizationId),
    /// The rules of an organization's segments.
    Segments(OrganizationId),
}

/// Begin of a transaction.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    /// Locks that the transaction takes.
    pub(super) locks: Vec<Lock>,
    /// Statement to try first; [`WriteTx::undo_attempt`](super::WriteTx::undo_attempt) can undo it and what follows.
    pub(super) attempt: Option<First>,
}

/// Marks the place that [`UNDO_ATTEMPT`] returns to; context and locks are kept.
const ATTEMPT: &str = " savepoint attempt;";
/// Undoes everything since [`ATTEMPT`], also after a statement has failed.
pub(super) const UNDO_ATTEMPT: &str = "rollback to savepoint attempt";

impl Context {
    /// Returns the context of `caller`.
    pub(crate) fn of(caller: &Caller) -> Self {
        Self {
            user: caller.user_id.map(|id| id.0),
            organization: caller.organization.map(|id| id.0),
            role: caller.context_role(),
            pool: if caller.is_privileged() { PoolKind::Owner } else { PoolKind::App },
            patient: caller.patient_id().map(|id| id.0),
            specialist: caller.specialist_id().map(|id| id.0),
            api_key: caller.request.actor.api_key(),
            impersonator: caller.request.impersonator.map(|id| id.0),
        }
    }

    /// Returns the pool that the caller's statements run on.
    pub(super) fn pool(&self) -> PoolKind {
        self.pool
    }

    /// Returns the organization whose rows the context shows; `None` for a context above organizations.
    pub(super) fn organization(&self) -> Option<i64> {
        self.organization
    }

    /// Returns the parameters of `context_enter($1, $2, $3, $4, $5)`.
    pub(super) fn parameters(&self) -> ContextParameters {
        (self.user, self.organization, self.role, self.patient, self.specialist)
    }

    /// Returns the statements that open a transaction, as one message of the simple query protocol. They are built from
    /// integers and constants of this crate alone, so no text of a caller can get in.
    pub(crate) fn begin(&self, opening: &Opening) -> String {
        self.begin_with("", opening)
    }

    /// Returns the statements that open a transaction in which every statement sees the same state and none writes, and
    /// then `settings`.
    pub(super) fn begin_snapshot(&self, settings: &str) -> String {
        format!("begin isolation level repeatable read, read only;{}{settings}", self.enter(&Opening::default()))
    }

    /// Returns the statements of [`Context::begin`] with `first` between the context and the locks.
    pub(super) fn begin_with(&self, first: &str, opening: &Opening) -> String {
        if first.is_empty() {
            return format!("begin;{}", self.enter(opening));
        }
        let mut sql = format!("begin;{};{first}", self.entering());
        let locks = taking(&opening.locks);
        if let Some(locks) = locks.strip_prefix(',') {
            // Writing to a String can't fail.
            let _ = write!(sql, " select{locks};");
        }
        if opening.attempt.is_some() {
            sql.push_str(ATTEMPT);
        }
        sql
    }

    /// Returns the statements that enter the context and take the locks in an open transaction.
    pub(super) fn enter(&self, opening: &Opening) -> String {
        let attempt = if opening.attempt.is_some() { ATTEMPT } else { "" };
        format!("{}{};{attempt}", self.entering(), taking(&opening.locks))
    }

    fn entering(&self) -> String {
        let number = |value: Option<i64>| value.map_or_else(|| "null".to_owned(), |value| value.to_string());
        format!(
            " select context_enter({}, {}, '{}', {}, {}, {}, {})",
            number(self.user),
            number(self.organization),
            self.role,
            number(self.patient),
            number(self.specialist),
            number(self.api_key),
            number(self.impersonator),
        )
    }
}

fn taking(locks: &[Lock]) -> String {
    let mut locks = locks.to_vec();
    locks.sort_unstable();
    locks.dedup();
    let mut sql = String::new();
    for lock in locks {
        let (kind, organization, id) = match lock {
            Lock::Members(organization) => ("members", organization.0, 0),
            Lock::Specialist(organization, specialist) => ("specialist", organization.0, specialist.0),
            Lock::Patient(organization, patient) => ("patient", organization.0, patient.0),
            Lock::FieldsRead(organization) | Lock::Fields(organization) => ("fields", organization.0, 0),
            Lock::Segments(organization) => ("segments", organization.0, 0),
        };
        let shared = if matches!(lock, Lock::FieldsRead(_)) { "_shared" } else { "" };
        // A part of the select that enters the context, which evaluates from left to right: a statement for each lock
        // would cost more than the lock. Writing to a String can't fail.
        let _ = write!(sql, ", pg_advisory_xact_lock{shared}(hashtextextended('{kind}:{organization}:{id}', 0))");
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::{super::first::Prepared, *};

    #[test]
    fn locks_are_taken_once_and_in_one_order() {
        let context = Context {
            user: Some(7),
            organization: Some(1),
            role: "staff",
            pool: PoolKind::App,
            patient: None,
            specialist: None,
            api_key: None,
            impersonator: None,
        };
        let organization = OrganizationId(1);
        let patient = Lock::Patient(organization, PatientId(2));
        let (early, late) =
            (Lock::Specialist(organization, SpecialistId(3)), Lock::Specialist(organization, SpecialistId(9)));
        let first = || Some(First::new(Prepared { name: "told", sql: String::new }, &[]));
        let begin = |locks, attempt: bool| context.begin(&Opening { locks, attempt: first().filter(|_| attempt) });
        let sql = begin(vec![patient, late, early, late], false);
        assert_eq!(sql, begin(vec![late, early, patient], false));
        // Undoing the attempt keeps the locks.
        assert_eq!(begin(vec![late, early, patient], true), format!("{sql} savepoint attempt;"));
        let attempt = Opening { locks: vec![patient], attempt: first() };
        assert!(context.begin_with(" select 1;", &attempt).ends_with("0)); savepoint attempt;"));
        assert!(context.enter(&attempt).ends_with("0)); savepoint attempt;"));
        assert_eq!(sql.matches("pg_advisory_xact_lock").count(), 3);
        assert!(
            sql.starts_with(
                "begin; select context_enter(7, 1, 'staff', null, null, null, null), pg_advisory_xact_lock("
            )
        );
    }
}
