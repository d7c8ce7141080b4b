//! Decisions on consent in PostgreSQL.

use sqlx::{Postgres, Transaction};

use super::{
    cache::Granted,
    model::{Consent, ConsentUpdate, Purpose},
};
use crate::{identity::Member, storage::postgres::Database};

/// Reads and adds decisions on consent.
pub(crate) struct ConsentRepository {
    database: Database,
}

/// Consents and exclusion of a person, which decide what may be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TrackingStatus {
    /// `true` if the person is excluded from tracking, or is being erased.
    pub excluded: bool,
    pub granted: Granted,
}

impl ConsentRepository {
    /// Makes a repository on this database.
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Loads consents and exclusion in one query, because ingest waits for it.
    pub(super) async fn tracking_status(&self, member: &Member) -> Result<TrackingStatus, sqlx::Error> {
        let mut tx = self.database.read(member).await?;
        let row = sqlx::query!(
            r#"select
                 exists (select from privacy.exclusions where organization_id = $1 and subject_id = $2)
                 or exists (
                     select from privacy.erasures
                     where (organization_id is null or organization_id = $1) and subject_kind = 'user'
                       and subject_id = $2 and not dry_run and finished_at is null) as "excluded!",
                 array(
                     select latest.purpose from (
                         select distinct on (purpose) purpose, granted from privacy.consents
                         where organization_id = $1 and subject_id = $2
                         order by purpose, version desc) latest
                     where latest.granted) as "granted!""#,
            member.organization_id,
            member.user_id,
        )
        .fetch_one(&mut *tx)
        .await?;
        let granted = Purpose::ALL.map(|purpose| row.granted.iter().any(|granted| granted == purpose.as_str()));
        Ok(TrackingStatus { excluded: row.excluded, granted })
    }

    /// Returns the latest decision of a person on each purpose.
    pub(crate) async fn latest(&self, member: &Member) -> Result<Consent, sqlx::Error> {
        let mut tx = self.database.read(member).await?;
        latest(&mut tx, member).await
    }

    /// Adds a decision and returns the consent after it; `None` while an erasure of the person is in progress.
    pub(crate) async fn add(&self, member: &Member, update: &ConsentUpdate) -> Result<Option<Consent>, sqlx::Error> {
        let mut tx = self.database.write(member).await?;
        // Concurrent decisions of one person get consecutive numbers.
        sqlx::query!(
            "select pg_advisory_xact_lock(hashtextextended(format('consent:%s:%s', $1::bigint, $2::bigint), 0))",
            member.organization_id,
            member.user_id,
        )
        .fetch_one(&mut *tx)
        .await?;
        let purposes: Vec<String> = Purpose::ALL.iter().map(|purpose| purpose.as_str().to_owned()).collect();
        let granted: Vec<bool> = Purpose::ALL.iter().map(|purpose| update.purposes.on(*purpose)).collect();
        // A decision and an erasure that begin at the same moment may not see each other. The erasure repeats all
        // its steps later, and then deletes this decision.
        let added = sqlx::query!(
            "insert into privacy.consents
                 (organization_id, subject_id, purpose, version, granted, text_version, source)
             select $1, $2, decision.purpose,
                 (select coalesce(max(version), 0) + 1 from privacy.consents
                  where organization_id = $1 and subject_id = $2),
                 decision.granted, $5, $6
             from unnest($3::text[], $4::boolean[]) as decision(purpose, granted)
             where not privacy.erasure_running($1, $2)",
            member.organization_id,
            member.user_id,
            &purposes,
            &granted,
            update.text_version.as_ref(),
            update.source.as_ref(),
        )
        .execute(&mut *tx)
        .await?;
        if added.rows_affected() == 0 {
            return Ok(None);
        }
        let consent = latest(&mut tx, member).await?;
        tx.commit().await?;
        Ok(Some(consent))
    }
}

async fn latest(tx: &mut Transaction<'_, Postgres>, member: &Member) -> Result<Consent, sqlx::Error> {
    let rows = sqlx::query!(
        "select distinct on (purpose) purpose, version, granted, text_version, source, recorded_at
         from privacy.consents
         where organization_id = $1 and subject_id = $2
         order by purpose, version desc",
        member.organization_id,
        member.user_id,
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut consent = Consent::nothing();
    for row in rows {
        let Some(purpose) = Purpose::ALL.into_iter().find(|purpose| purpose.as_str() == row.purpose) else { continue };
        let state = consent.of_mut(purpose);
        state.granted = row.granted;
        state.version = Some(row.version);
        state.text_version = Some(row.text_version);
        state.source = Some(row.source);
        state.recorded_at = Some(row.recorded_at);
    }
    Ok(consent)
}
