//! Exclusions in PostgreSQL, whose policies decide who may see, add and lift which.

use server_shared::http::Paging;

use super::model::{Exclusion, ExclusionSource};
use crate::{identity::Member, storage::postgres::Database};

/// Reads, adds and lifts exclusions.
pub(crate) struct ExclusionRepository {
    database: Database,
}

impl ExclusionRepository {
    /// Makes a repository on this database.
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Returns a page of the exclusions that the member may see, and their total number.
    pub(super) async fn list(&self, member: &Member, paging: &Paging) -> Result<(Vec<Exclusion>, i64), sqlx::Error> {
        let mut tx = self.database.read(member).await?;
        let rows = sqlx::query!(
            "select subject_id, source, created_at from privacy.exclusions
             where organization_id = $1
             order by subject_id, source
             limit $2 offset $3",
            member.organization_id,
            paging.limit(),
            paging.offset(),
        )
        .fetch_all(&mut *tx)
        .await?;
        let total = match paging.total_of_first_page(rows.len()) {
            Some(total) => total,
            None => {
                sqlx::query_scalar!(
                    r#"select count(*) as "count!" from privacy.exclusions where organization_id = $1"#,
                    member.organization_id,
                )
                .fetch_one(&mut *tx)
                .await?
            }
        };
        let exclusions = rows.into_iter().map(|row| Exclusion {
            subject_id: row.subject_id,
            source: ExclusionSource::from_column(&row.source),
            created_at: row.created_at,
        });
        Ok((exclusions.collect(), total))
    }

    /// Adds an exclusion unless it exists, and returns it; `None` while an erasure of the person is in progress.
    pub(super) async fn add(
        &self,
        member: &Member,
        subject_id: i64,
        source: ExclusionSource,
    ) -> Result<Option<Exclusion>, sqlx::Error> {
        let mut tx = self.database.write(member).await?;
        sqlx::query!(
            "insert into privacy.exclusions (organization_id, subject_id, source, created_by)
             select $1, $2, $3, $4 where not privacy.erasure_running($1, $2)
             on conflict (organization_id, subject_id, source) do nothing",
            member.organization_id,
            subject_id,
            source.as_str(),
            member.user_id,
        )
        .execute(&mut *tx)
        .await?;
        let created_at = sqlx::query_scalar!(
            "select created_at from privacy.exclusions
             where organization_id = $1 and subject_id = $2 and source = $3
               and not privacy.erasure_running($1, $2)",
            member.organization_id,
            subject_id,
            source.as_str(),
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(created_at) = created_at else { return Ok(None) };
        tx.commit().await?;
        Ok(Some(Exclusion { subject_id, source, created_at }))
    }

    /// Lifts an exclusion; returns `true` if it existed.
    pub(super) async fn remove(
        &self,
        member: &Member,
        subject_id: i64,
        source: ExclusionSource,
    ) -> Result<bool, sqlx::Error> {
        let mut tx = self.database.write(member).await?;
        let removed = sqlx::query!(
            "delete from privacy.exclusions where organization_id = $1 and subject_id = $2 and source = $3",
            member.organization_id,
            subject_id,
            source.as_str(),
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(removed.rows_affected() > 0)
    }
}
