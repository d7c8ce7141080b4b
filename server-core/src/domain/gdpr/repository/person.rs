//! SQL for the ids of a person, and for locks during its erasure.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::super::model::Subject;
use crate::{
    database::{DatabaseError, Lock, Tx, WriteTx},
    domain::export::files_prefix,
    ids::{OrganizationId, PatientId, UserId},
};

/// Ids by which a person's rows are found. The job stores them, because erased rows are no longer linked to the person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::domain::gdpr) struct Person {
    pub(in crate::domain::gdpr) user: Option<i64>,
    /// `true` if the user is a member of an organization that the context shows.
    #[serde(default)]
    pub(in crate::domain::gdpr) member: bool,
    pub(in crate::domain::gdpr) patients: Vec<i64>,
    pub(in crate::domain::gdpr) specialists: Vec<i64>,
    /// Prefixes of the keys of the person's files.
    pub(in crate::domain::gdpr) files: Vec<String>,
}

impl Person {
    /// Selects only the user's data outside organizations.
    pub(in crate::domain::gdpr) fn account(user: UserId) -> Self {
        Self { user: Some(user.0), ..Self::default() }
    }
}

/// Returns the user of a patient record, if `patient` is its only role in the context: then user and record are erased
/// together. The record of a user who works there is erased on its own.
pub(in crate::domain::gdpr) async fn patient_user(
    tx: &mut impl Tx,
    patient: PatientId,
) -> Result<Option<UserId>, DatabaseError> {
    let user = sqlx::query_scalar!(
        r#"
        select m.user_id as "user_id: UserId" from patients p
        join memberships m on m.organization_id = p.organization_id and m.user_id = p.user_id and m.role = 'patient'
        where p.id = $1 and p.erased_at is null
          and not exists (select from memberships w where w.user_id = m.user_id and w.role <> 'patient')
          and (p.deleted_at is null
               or not exists (select from patients o where o.organization_id = p.organization_id
                                                       and o.user_id = p.user_id and o.id <> p.id and o.deleted_at is null))
        "#,
        patient.0
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(user)
}

/// Reads the ids of a person that the context shows. Merged records belong to one person, whichever of them is the
/// subject: they may have been merged after an erasure was requested above organizations.
pub(in crate::domain::gdpr) async fn person_get(tx: &mut impl Tx, subject: Subject) -> Result<Person, DatabaseError> {
    let (user, patient) = match subject {
        Subject::User(user) => (Some(user.0), None),
        Subject::Patient(patient) => (None, Some(patient.0)),
    };
    let patients = sqlx::query!(
        r#"
        with own as (
            select p.organization_id, p.id from patients p where p.user_id = $1
            union
            select p.organization_id, p.id from patients p where p.id = $2
        ), owners as (
            select o.organization_id, coalesce(m.owner_id, o.id) as id
            from own o left join patient_merges m on m.organization_id = o.organization_id and m.patient_id = o.id
        ), records as (
            select w.organization_id, w.id from owners w
            union
            select m.organization_id, m.patient_id
            from owners w join patient_merges m on m.organization_id = w.organization_id and m.owner_id = w.id
        )
        select p.id as "id!", p.organization_id as "organization_id!", p.uid as "uid!"
        from records r join patients p on p.organization_id = r.organization_id and p.id = r.id
        where p.erased_at is null
        order by p.id
        "#,
        user,
        patient
    )
    .fetch_all(tx.connection()?)
    .await?;
    let specialists =
        sqlx::query_scalar!("select id from specialists where user_id = $1 and erased_at is null order by id", user)
            .fetch_all(tx.connection()?)
            .await?;
    let organizations = sqlx::query_scalar!(
        "select organization_id from memberships where user_id = $1 order by organization_id",
        user
    )
    .fetch_all(tx.connection()?)
    .await?;
    let of_records = patients.iter().map(|row| format!("organizations/{}/patients/{}/", row.organization_id, row.uid));
    let of_user = organizations
        .iter()
        .filter_map(|organization| user.map(|user| format!("organizations/{organization}/users/{user}/")));
    // Nothing tells whose rows are in the exports of an organization.
    let of_patients = patients.iter().map(|row| row.organization_id);
    let held_by: BTreeSet<i64> = of_patients.chain(organizations.iter().copied()).collect();
    let of_exports = held_by.into_iter().map(|organization| files_prefix(OrganizationId(organization)));
    let files = of_records.chain(of_user).chain(of_exports).collect();
    let (member, patients) = (!organizations.is_empty(), patients.iter().map(|row| row.id).collect());
    Ok(Person { user, member, patients, specialists, files })
}

/// Locks the user's memberships, which prevents new links of the user until the end of the transaction: a link refers
/// to the membership.
pub(in crate::domain::gdpr) async fn memberships_hold(tx: &mut WriteTx, subject: Subject) -> Result<(), DatabaseError> {
    let Subject::User(user) = subject else { return Ok(()) };
    sqlx::query!(
        "select organization_id from memberships where user_id = $1 order by organization_id for update",
        user.0
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(())
}

/// Returns the locks that prevent bookings for the person and changes of the administrators of its organizations.
pub(in crate::domain::gdpr) async fn person_locks(
    tx: &mut WriteTx,
    person: &Person,
) -> Result<Vec<Lock>, DatabaseError> {
    let patients = sqlx::query!(
        r#"select organization_id as "organization_id: OrganizationId", id as "id: PatientId"
           from patients where id = any($1)"#,
        &person.patients
    )
    .fetch_all(tx.connection()?)
    .await?;
    let organizations = sqlx::query_scalar!(
        r#"select organization_id as "organization_id: OrganizationId" from memberships where user_id = $1"#,
        person.user
    )
    .fetch_all(tx.connection()?)
    .await?;
    let patients = patients.into_iter().map(|patient| Lock::Patient(patient.organization_id, patient.id));
    Ok(organizations.into_iter().map(Lock::Members).chain(patients).collect())
}

/// Locks the user's account until the end of the transaction: the acceptance of an invitation waits, and then finds the
/// account closed.
pub(in crate::domain::gdpr) async fn account_hold(tx: &mut WriteTx, user: i64) -> Result<(), DatabaseError> {
    sqlx::query!("select id from users where id = $1 for update", user).fetch_optional(tx.connection()?).await?;
    Ok(())
}

/// Reads the identity provider's id of a user whose account is closed; `None` if it has been replaced already.
pub(in crate::domain::gdpr) async fn clerk_id(tx: &mut impl Tx, user: i64) -> Result<Option<String>, DatabaseError> {
    let clerk_id = sqlx::query_scalar!(
        "select clerk_id from users where id = $1 and deleted_at is not null and clerk_id not like 'erased:%'",
        user
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(clerk_id)
}

/// Replaces the identity provider's id of a user by `erased`; see `user::Service::erased_name`.
pub(in crate::domain::gdpr) async fn clerk_id_forget(
    tx: &mut WriteTx,
    user: i64,
    erased: &str,
) -> Result<u64, DatabaseError> {
    // Serializes with events of the user, which look for both names.
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended($1, 0))", erased).execute(tx.connection()?).await?;
    let done = sqlx::query!(
        r#"
        update users set clerk_id = $2, updated_at = now()
        where id = $1 and deleted_at is not null and clerk_id not like 'erased:%'
        "#,
        user,
        erased
    )
    .execute(tx.connection()?)
    .await?;
    Ok(done.rows_affected())
}
