//! SQL for holdings. It is composed only of static names from the registry; values of requests are bound as parameters.

use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, Postgres, Row, postgres::PgArguments, query::Query};
use uuid::Uuid;

use super::{super::model::ErasureMode, Person};
use crate::{
    database::{DatabaseError, PageTx, Tx, WriteTx},
    encryption::Holder,
    holding::{Fate, Found, Holding, Holdings, PageKey, SealedBy, Shown},
    ids::OrganizationId,
};

/// Names of columns that are read along with encrypted ones, to decrypt them.
const ORGANIZATION: &str = "$organization";
const KEY: &str = "$key";
const WRAPPED: &str = "$wrapped";
const ROW: &str = "$row";
/// Name of the column by which pages are found.
const PLACE: &str = "$place";

/// Key of the encrypted columns of a row.
pub(in crate::domain::gdpr) struct RowKey {
    pub(in crate::domain::gdpr) key: HeldKey,
    pub(in crate::domain::gdpr) row: Uuid,
}

/// Key of a row, read with the row or known by its organization.
pub(in crate::domain::gdpr) enum HeldKey {
    /// Holder of the key, and the wrapped key.
    Wrapped(Holder, Vec<u8>),
    /// Key of the organization.
    Organization(OrganizationId),
}

/// Row of a holding with its columns; encrypted columns are not decrypted.
pub(in crate::domain::gdpr) struct HeldRow {
    pub(in crate::domain::gdpr) key: Option<RowKey>,
    pub(in crate::domain::gdpr) columns: Map<String, Value>,
}

/// Returns true if an erasure would change data of the person that is visible in the context; with `account`, also data
/// outside organizations. Returns false after an erasure.
pub(in crate::domain::gdpr) async fn is_held(
    tx: &mut impl Tx,
    holdings: Holdings,
    person: &Person,
    account: bool,
) -> Result<bool, DatabaseError> {
    let erased = |holding: &&Holding| !matches!(holding.erase, Fate::Retain { .. }) && (account || !holding.account);
    let exists = |holding: &Holding| format!("exists (select from {} t where {})", holding.table, rows_of(holding));
    let conditions: Vec<String> = holdings.iter().filter(erased).map(exists).collect();
    let sql = format!("select {}", conditions.join(" or "));
    Ok(bind(&sql, person).fetch_one(tx.connection()?).await?.try_get(0)?)
}

/// Rows of a holding that are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::domain::gdpr) enum Reach {
    /// All rows that the context shows.
    Context,
    /// Rows of no organization, e.g. of sign-ins and of changes of the user's own account.
    Platform,
}

/// Applies the mode's fate to a holding; returns the number of rows.
pub(in crate::domain::gdpr) async fn holding_change(
    tx: &mut WriteTx,
    holding: &Holding,
    mode: ErasureMode,
    person: &Person,
    reach: Reach,
) -> Result<u64, DatabaseError> {
    let (table, mut rows) = (holding.table, rows_of(holding));
    if reach == Reach::Platform {
        rows.push_str(" and t.organization_id = 0");
    }
    let sql = match mode.fate(holding) {
        Fate::Delete => format!("delete from {table} t where {rows}"),
        Fate::Anonymize(assignments) | Fate::DestroyKey(assignments) => {
            format!("update {table} t set {assignments} where {rows}")
        }
        Fate::Retain { .. } => {
            let sql = format!("select count(*) from {table} t where {rows}");
            let counted = bind(&sql, person).fetch_one(tx.connection()?).await?;
            return Ok(u64::try_from(counted.try_get::<i64, _>(0)?).unwrap_or_default());
        }
    };
    Ok(bind(&sql, person).execute(tx.connection()?).await?.rows_affected())
}

/// Reads a page of a holding for an export: the rows after the place `after`, and the place after which the next page
/// begins; `None` after the last page.
pub(in crate::domain::gdpr) async fn holding_page(
    tx: &mut PageTx,
    holding: &Holding,
    person: &Person,
    after: Option<&str>,
) -> Result<(Vec<HeldRow>, Option<String>), DatabaseError> {
    let shown = holding.columns.iter().filter(|column| column.shown != Shown::Nothing);
    let mut columns: Vec<String> = shown.map(|column| format!("t.{}", column.name)).collect();
    let keys = match holding.sealed_by {
        SealedBy::Nothing => "",
        SealedBy::DataKey => {
            columns.extend([
                format!("t.organization_id as \"{ORGANIZATION}\""),
                format!("k.id as \"{KEY}\""),
                format!("k.wrapped as \"{WRAPPED}\""),
                format!("t.uid as \"{ROW}\""),
            ]);
            "join data_keys k on k.organization_id = t.organization_id and k.id = t.data_key_id"
        }
        SealedBy::Organization => {
            columns.extend([format!("t.organization_id as \"{ORGANIZATION}\""), format!("t.uid as \"{ROW}\"")]);
            ""
        }
        SealedBy::OwnKey | SealedBy::InvitationKey => {
            columns.extend([format!("t.data_key_wrapped as \"{WRAPPED}\""), format!("t.uid as \"{ROW}\"")]);
            if holding.sealed_by == SealedBy::InvitationKey {
                columns.push(format!("t.organization_id as \"{ORGANIZATION}\""));
            }
            ""
        }
    };
    let (key, kind) = match holding.page_key {
        PageKey::Number(column) => (format!("t.{column}"), "bigint"),
        PageKey::Uuid(column) => (format!("t.{column}"), "uuid"),
        PageKey::Text(expression) => (expression.to_owned(), "text"),
    };
    columns.push(format!("{key}::text as \"{PLACE}\""));
    let (table, columns, rows, limit) = (holding.table, columns.join(", "), rows_of(holding), holding.page_rows);
    let sql = format!(
        "select to_jsonb(r) from (
             select {columns} from {table} t {keys}
             where {rows} and ($4::text is null or {key} > $4::text::{kind})
             order by {key} limit {limit}) r"
    );
    let found = bind(&sql, person).bind(after).fetch_all(tx.connection()?).await?;
    let mut last = None;
    let mut page = Vec::with_capacity(found.len());
    for row in &found {
        let (row, place) = held_row(holding.sealed_by, row.try_get(0)?)?;
        page.push(row);
        last = place;
    }
    Ok((page, last.filter(|_| found.len() == limit)))
}

/// Splits a read row into its parts; returns its place, too.
fn held_row(sealed_by: SealedBy, row: Value) -> Result<(HeldRow, Option<String>), DatabaseError> {
    let Value::Object(mut columns) = row else { return Err(damaged("a row is not an object")) };
    let mut key_part = |name: &str| columns.shift_remove(name).filter(|value| !value.is_null());
    let (organization, key, wrapped, row) = (key_part(ORGANIZATION), key_part(KEY), key_part(WRAPPED), key_part(ROW));
    let organization = OrganizationId(organization.as_ref().and_then(Value::as_i64).unwrap_or_default());
    let parsed = |value: Value| value.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| damaged("no UUID"));
    let (key, row) = (key.map(parsed).transpose()?, row.map(parsed).transpose()?);
    let holder = match (sealed_by, key, row) {
        (SealedBy::DataKey, Some(id), _) => Some(Holder::Record { organization, id }),
        (SealedBy::OwnKey, _, Some(uid)) => Some(Holder::User { uid }),
        (SealedBy::InvitationKey, _, Some(uid)) => Some(Holder::Invitation { organization, uid }),
        _ => None,
    };
    let key = match (holder, wrapped) {
        _ if sealed_by == SealedBy::Organization => Some(HeldKey::Organization(organization)),
        (Some(holder), Some(wrapped)) => Some(HeldKey::Wrapped(holder, bytes(&wrapped)?)),
        _ => None,
    };
    let key = key.zip(row).map(|(key, row)| RowKey { key, row });
    let place = columns.shift_remove(PLACE).as_ref().and_then(Value::as_str).map(str::to_owned);
    Ok((HeldRow { key, columns }, place))
}

/// Parses bytes in the form that PostgreSQL writes into JSON.
pub(in crate::domain::gdpr) fn bytes(value: &Value) -> Result<Vec<u8>, DatabaseError> {
    let digits = value.as_str().and_then(|text| text.strip_prefix("\\x"));
    digits.and_then(|digits| hex::decode(digits).ok()).ok_or_else(|| damaged("no bytes"))
}

fn damaged(what: &str) -> DatabaseError {
    DatabaseError::Damaged(format!("a row of a holding: {what}"))
}

fn rows_of(holding: &Holding) -> String {
    let found = match holding.found {
        Found::User(column) => format!("t.{column} = $1"),
        Found::Address(column) => format!(
            "t.{column} = (select u.email_index from users u
                           where u.id = $1
                             and (context_organization() is null
                                  or exists (select from memberships m where m.organization_id = context_organization()
                                                                         and m.user_id = u.id)))"
        ),
        Found::Patient(column) => format!("t.{column} = any($2)"),
        Found::Specialist(column) => format!("t.{column} = any($3)"),
        Found::DataKey(column) => {
            format!("t.{column} in (select p.data_key_id from patients p where p.id = any($2))")
        }
        Found::AuditEntry(column) => format!(
            "t.{column} in (select l.id from audit_log l where l.actor_user_id = $1 and l.impersonator_user_id is null
                                                            or l.impersonator_user_id = $1)"
        ),
        Found::Organization(column) => format!(
            "t.{column} in (select m.organization_id from memberships m where m.user_id = $1
                             union select p.organization_id from patients p where p.id = any($2))"
        ),
        Found::Entity => "(t.entity_type = 'user' and t.entity_id = $1::text
                           or t.entity_type = 'patient' and t.entity_id = any($2::text[])
                           or t.entity_type = 'specialist' and t.entity_id = any($3::text[]))"
            .to_owned(),
    };
    format!("{found} and {}", holding.only)
}

fn bind<'q>(sql: &str, person: &'q Person) -> Query<'q, Postgres, PgArguments> {
    sqlx::query(AssertSqlSafe(sql.to_owned())).bind(person.user).bind(&person.patients).bind(&person.specialists)
}
