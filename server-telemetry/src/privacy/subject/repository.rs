//! Consents of patients, and the users whom patients are joined with, in PostgreSQL. They belong to Core and may be of
//! any organization, so their transactions have no context and each statement names the organization.

use sqlx::{Postgres, Transaction};

use super::model::{Decisions, SubjectJoin};
use crate::storage::postgres::Database;

/// Stores what Core sends.
pub(crate) struct SubjectRepository {
    database: Database,
}

/// Result of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is stored. Consents of these users may have changed.
    Stored(Vec<i64>),
    /// An erasure of the person is in progress.
    Erasing,
    /// The patient's data has been erased.
    Erased,
}

impl SubjectRepository {
    /// Makes a repository on this database.
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Stores decisions of a patient, each once, and hands the latest to the users whom the patient is joined with.
    pub(super) async fn patient_add(
        &self,
        organization: i64,
        patient: i64,
        decisions: &Decisions,
    ) -> Result<Taken, sqlx::Error> {
        let mut tx = self.database.work().await?;
        if let Some(refusal) = patient_enter(&mut tx, organization, patient).await? {
            return Ok(refusal);
        }
        sqlx::query!(
            "insert into privacy.patient_consents
                 (organization_id, patient_id, id, purpose, granted, text_version, source, decided_at)
             select $1, $2, d.id, d.purpose, d.granted, d.text_version, d.source, least(d.decided_at, now())
             from unnest($3::uuid[], $4::text[], $5::boolean[], $6::text[], $7::text[], $8::timestamptz[])
                 as d(id, purpose, granted, text_version, source, decided_at)
             on conflict (organization_id, patient_id, id) do nothing",
            organization,
            patient,
            &decisions.ids,
            &decisions.purposes,
            &decisions.granted,
            &decisions.text_versions,
            &decisions.sources,
            &decisions.times,
        )
        .execute(&mut *tx)
        .await?;
        let users = sqlx::query_scalar!(
            "select user_id from privacy.patient_joins where organization_id = $1 and patient_id = $2 order by user_id",
            organization,
            patient,
        )
        .fetch_all(&mut *tx)
        .await?;
        if !users.is_empty() {
            let latest = latest(&mut tx, organization, patient).await?;
            adopt(&mut tx, organization, &users, &latest).await?;
        }
        tx.commit().await?;
        Ok(Taken::Stored(users))
    }

    /// Stores decisions of a user that are later than those stored.
    pub(super) async fn user_add(
        &self,
        organization: i64,
        user: i64,
        decisions: &Decisions,
    ) -> Result<Taken, sqlx::Error> {
        let mut tx = self.database.work().await?;
        if is_user_erasing(&mut tx, organization, user).await? {
            return Ok(Taken::Erasing);
        }
        adopt(&mut tx, organization, &[user], decisions).await?;
        tx.commit().await?;
        Ok(Taken::Stored(vec![user]))
    }

    /// Joins a patient with a user, and hands the patient's latest decisions to the user.
    pub(super) async fn join(&self, patient: i64, join: SubjectJoin) -> Result<Taken, sqlx::Error> {
        let SubjectJoin { organization_id, user_id } = join;
        let mut tx = self.database.work().await?;
        if let Some(refusal) = patient_enter(&mut tx, organization_id, patient).await? {
            return Ok(refusal);
        }
        if is_user_erasing(&mut tx, organization_id, user_id).await? {
            return Ok(Taken::Erasing);
        }
        sqlx::query!(
            "insert into privacy.patient_joins (organization_id, patient_id, user_id) values ($1, $2, $3)
             on conflict (organization_id, patient_id, user_id) do nothing",
            organization_id,
            patient,
            user_id,
        )
        .execute(&mut *tx)
        .await?;
        let latest = latest(&mut tx, organization_id, patient).await?;
        adopt(&mut tx, organization_id, &[user_id], &latest).await?;
        tx.commit().await?;
        Ok(Taken::Stored(vec![user_id]))
    }
}

/// Locks a patient, so that a decision and a join that arrive together see each other. Returns the refusal if the
/// patient is being erased or has been.
///
/// A message and an erasure that begin at the same moment may not see each other; the erasure repeats all its steps
/// later.
async fn patient_enter(
    tx: &mut Transaction<'_, Postgres>,
    organization: i64,
    patient: i64,
) -> Result<Option<Taken>, sqlx::Error> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended(format('consent-patient:%s:%s', $1::bigint, $2::bigint), 0))",
        organization,
        patient,
    )
    .fetch_one(&mut **tx)
    .await?;
    let erasures = sqlx::query!(
        r#"select coalesce(bool_or(finished_at is null), false) as "running!", count(*) > 0 as "any!"
           from privacy.erasures
           where subject_kind = 'patient' and subject_id = $2 and not dry_run
             and (organization_id is null or organization_id = $1)"#,
        organization,
        patient,
    )
    .fetch_one(&mut **tx)
    .await?;
    Ok(match (erasures.running, erasures.any) {
        (true, _) => Some(Taken::Erasing),
        (false, true) => Some(Taken::Erased),
        (false, false) => None,
    })
}

async fn is_user_erasing(
    tx: &mut Transaction<'_, Postgres>,
    organization: i64,
    user: i64,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(r#"select privacy.erasure_running($1, $2) as "running!""#, organization, user)
        .fetch_one(&mut **tx)
        .await
}

/// Returns the latest decision of a patient on each purpose.
async fn latest(tx: &mut Transaction<'_, Postgres>, organization: i64, patient: i64) -> Result<Decisions, sqlx::Error> {
    let rows = sqlx::query!(
        "select distinct on (purpose) id, purpose, granted, text_version, source, decided_at
         from privacy.patient_consents
         where organization_id = $1 and patient_id = $2
         order by purpose, decided_at desc, id desc",
        organization,
        patient,
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut all = Decisions::default();
    for row in rows {
        all.ids.push(row.id);
        all.purposes.push(row.purpose);
        all.granted.push(row.granted);
        all.text_versions.push(row.text_version);
        all.sources.push(row.source);
        all.times.push(row.decided_at);
    }
    Ok(all)
}

/// Adds decisions to those of users, as far as they are later: what a user has decided since stays, however often and
/// late this is repeated. Leaves out users who are being erased.
async fn adopt(
    tx: &mut Transaction<'_, Postgres>,
    organization: i64,
    users: &[i64],
    decisions: &Decisions,
) -> Result<(), sqlx::Error> {
    // The lock under which people decide for themselves; in the order of the ids.
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended(format('consent:%s:%s', $1::bigint, u.id), 0))
         from unnest($2::bigint[]) as u(id)",
        organization,
        users,
    )
    .fetch_all(&mut **tx)
    .await?;
    sqlx::query!(
        "insert into privacy.consents
             (organization_id, subject_id, purpose, version, granted, text_version, source, recorded_at)
         select $1, u.id, latest.purpose,
             (select coalesce(max(version), 0) + 1 from privacy.consents
              where organization_id = $1 and subject_id = u.id),
             latest.granted, latest.text_version, latest.source, latest.decided_at
         from unnest($2::bigint[]) as u(id)
         cross join (
             select distinct on (d.purpose)
                 d.purpose, d.granted, d.text_version, d.source, least(d.decided_at, now()) as decided_at
             from unnest($3::text[], $4::boolean[], $5::text[], $6::text[], $7::timestamptz[], $8::uuid[])
                 as d(purpose, granted, text_version, source, decided_at, id)
             order by d.purpose, d.decided_at desc, d.id desc) latest
         where not privacy.erasure_running($1, u.id)
           and latest.decided_at > coalesce(
               (select max(recorded_at) from privacy.consents
                where organization_id = $1 and subject_id = u.id and purpose = latest.purpose), '-infinity')",
        organization,
        users,
        &decisions.purposes,
        &decisions.granted,
        &decisions.text_versions,
        &decisions.sources,
        &decisions.times,
        &decisions.ids,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
