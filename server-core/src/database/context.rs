//! Who asks, and in which organization: what every row-level policy compares with.

use std::fmt::Write as _;

use crate::{
    identity::Caller,
    ids::{OrganizationId, PatientId, SpecialistId},
};

/// The two pools: the owner's, and the one that row-level security binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PoolKind {
    /// For superadmins and the service's own jobs.
    Owner,
    /// For everybody else.
    App,
}

/// The transaction-local settings of one caller.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    user: Option<i64>,
    organization: Option<i64>,
    role: &'static str,
    pool: PoolKind,
    patient: Option<i64>,
    specialist: Option<i64>,
    /// The key that calls.
    api_key: Option<i64>,
    /// The administrator who acts as the user.
    impersonator: Option<i64>,
}

/// The context as `context_enter` takes it from statements that only read: user, organization, role, patient,
/// specialist.
pub(super) type ContextParameters = (Option<i64>, Option<i64>, &'static str, Option<i64>, Option<i64>);

/// A lock on something whose changes must not race; held to the end of the transaction.
///
/// The order is that of the derive: organization-wide the same for everybody, so that two bookings
/// that need the same two locks can't deadlock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lock {
    /// Who belongs to an organization, and as what.
    Members(OrganizationId),
    /// The calendar of a specialist.
    Specialist(OrganizationId, SpecialistId),
    /// The calendar of a patient.
    Patient(OrganizationId, PatientId),
}

impl Context {
    /// The context of `caller`.
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

    /// Which pool the caller's statements run on.
    pub(super) fn pool(&self) -> PoolKind {
        self.pool
    }

    /// The organization whose rows it shows, unless it is above organizations.
    pub(super) fn organization(&self) -> Option<i64> {
        self.organization
    }

    /// As parameters of `context_enter($1, $2, $3, $4, $5)`.
    pub(super) fn parameters(&self) -> ContextParameters {
        (self.user, self.organization, self.role, self.patient, self.specialist)
    }

    /// Everything that opens a transaction, as one simple message. Built from integers and our own
    /// enum alone; no caller's text can get in.
    pub(crate) fn begin(&self, locks: Vec<Lock>) -> String {
        self.begin_with("", locks)
    }

    /// The same, with more statements after the context and before the locks.
    pub(super) fn begin_with(&self, first: &str, locks: Vec<Lock>) -> String {
        if first.is_empty() {
            return format!("begin;{}", self.enter(locks));
        }
        let mut sql = format!("begin;{};{first}", self.entering());
        let locks = taking(locks);
        if let Some(locks) = locks.strip_prefix(',') {
            // Writing to a String can't fail.
            let _ = write!(sql, " select{locks};");
        }
        sql
    }

    /// The statement that enters the context and takes the locks, in a transaction that is open already.
    pub(super) fn enter(&self, locks: Vec<Lock>) -> String {
        format!("{}{};", self.entering(), taking(locks))
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

fn taking(mut locks: Vec<Lock>) -> String {
    locks.sort_unstable();
    locks.dedup();
    let mut sql = String::new();
    for lock in locks {
        let (kind, organization, id) = match lock {
            Lock::Members(organization) => ("members", organization.0, 0),
            Lock::Specialist(organization, specialist) => ("specialist", organization.0, specialist.0),
            Lock::Patient(organization, patient) => ("patient", organization.0, patient.0),
        };
        // In the select of the context, which evaluates from left to right: a statement each costs more
        // than the lock. Writing to a String can't fail.
        let _ = write!(sql, ", pg_advisory_xact_lock(hashtextextended('{kind}:{organization}:{id}', 0))");
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let sql = context.begin(vec![patient, late, early, late]);
        assert_eq!(sql, context.begin(vec![late, early, patient]));
        assert_eq!(sql.matches("pg_advisory_xact_lock").count(), 3);
        assert!(
            sql.starts_with(
                "begin; select context_enter(7, 1, 'staff', null, null, null, null), pg_advisory_xact_lock("
            )
        );
    }
}
