//! Signed heads in PostgreSQL.

use sqlx::{Postgres, Transaction};

use super::model::HeadFilter;
use crate::audit::chain::{Hash, Head};

/// Adds the head of a day, unless the day has one.
pub(super) async fn head_add(tx: &mut Transaction<'_, Postgres>, head: &Head) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into audit.audit_heads (organization_id, day, position, audit_id, hash, signed_at, kid, statement)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (organization_id, day) do nothing",
        head.organization_id,
        head.day,
        head.position,
        head.audit_id,
        head.hash.as_slice(),
        head.signed_at,
        head.kid,
        head.statement,
    )
    .execute(&mut **tx)
    .await
    .map(drop)
}

/// Returns a page of heads, newest first, and one more if there is one.
pub(super) async fn head_list(
    tx: &mut Transaction<'_, Postgres>,
    filter: &HeadFilter,
) -> Result<Vec<Head>, sqlx::Error> {
    let (day, organization_id) = filter.cursor.unzip();
    sqlx::query_as!(
        Head,
        r#"select organization_id, day, position, audit_id, hash as "hash: Hash", signed_at, kid, statement
         from audit.audit_heads
         where ($1::bigint is null or organization_id = $1)
           and ($2::date is null or (day, organization_id) < ($2, $3::bigint))
         order by day desc, organization_id desc
         limit $4"#,
        filter.organization_id,
        day,
        organization_id,
        filter.paging.limit() + 1,
    )
    .fetch_all(&mut **tx)
    .await
}
