//! SQL on what the registry lists. It is put together from the registry's static names alone; what
//! comes from a request are parameters, and these are ids.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, Postgres, Row, postgres::PgArguments, query::Query};
use uuid::Uuid;

use super::{
    model::{ErasureMode, Subject},
    registry::{Fate, Found, HOLDINGS, Holding, PageKey, SealedBy, Shown},
};
use crate::{
    database::{DatabaseError, DisclosedTx, Lock, OpenReader, Tx, WriteTx},
    encryption::Holder,
    ids::{OrganizationId, PatientId, UserId},
    jobs::{Job, JobState},
};

/// The ids by which a person's rows are found. They are kept with the job: once the rows are shells,
/// nothing says any more whose they were.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Person {
    pub(super) user: Option<i64>,
    /// Whether the user belongs to an organization that the context shows.
    #[serde(default)]
    pub(super) member: bool,
    pub(super) patients: Vec<i64>,
    pub(super) specialists: Vec<i64>,
    /// Prefixes of the keys of its files.
    pub(super) files: Vec<String>,
}

impl Person {
    /// Selects the user's data above organizations, and nothing else.
    pub(super) fn account(user: UserId) -> Self {
        Self { user: Some(user.0), ..Self::default() }
    }
}

/// Names of columns that are read along with sealed ones, to open them.
const ORGANIZATION: &str = "$organization";
const KEY: &str = "$key";
const WRAPPED: &str = "$wrapped";
const ROW: &str = "$row";
/// Name of the column by which pages are found.
const PLACE: &str = "$place";

/// Rows of a page of an export: a few hundred kilobytes at most.
const PAGE: usize = 200;

/// What opens the sealed columns of a row.
pub(super) struct RowKey {
    pub(super) key: HeldKey,
    pub(super) row: Uuid,
}

/// The key of a row, as it was read with it.
pub(super) enum HeldKey {
    /// The row that holds it, and how it stands there.
    Wrapped(Holder, Vec<u8>),
    /// Not at all: it is the organization's.
    Organization(OrganizationId),
}

/// A row of a holding, its sealed columns still sealed, under the names of their columns.
pub(super) struct HeldRow {
    pub(super) key: Option<RowKey>,
    pub(super) columns: Map<String, Value>,
}

/// Returns true if a user may have somebody erased: administrators may in their organization, superadmins everywhere,
/// and everybody may have themselves erased everywhere. To be called above organizations.
pub(super) async fn may_erase(
    tx: &mut impl Tx,
    asker: Option<UserId>,
    organization: Option<OrganizationId>,
    subject: Subject,
) -> Result<bool, DatabaseError> {
    let Some(asker) = asker else { return Ok(false) };
    if organization.is_none() && matches!(subject, Subject::User(user) if user == asker) {
        return Ok(true);
    }
    let may = sqlx::query_scalar!(
        r#"
        select exists (
            select from users u
            where u.id = $1 and u.deleted_at is null
              and (u.superadmin
                   or exists (select from memberships m
                              where m.user_id = u.id and m.organization_id = $2 and m.role = 'admin'))) as "may!"
        "#,
        asker.0,
        organization.map(|id| id.0)
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(may)
}

/// Whether anything is held on the person, as far as the context goes, that erasing would change: of one
/// that was erased nothing is. `account` asks for what is above organizations, too.
pub(super) async fn is_held(tx: &mut impl Tx, person: &Person, account: bool) -> Result<bool, DatabaseError> {
    let erased = |holding: &&Holding| !matches!(holding.erase, Fate::Retain { .. }) && (account || !holding.account);
    let exists = |holding: &Holding| format!("exists (select from {} t where {})", holding.table, rows_of(holding));
    let conditions: Vec<String> = HOLDINGS.iter().filter(erased).map(exists).collect();
    let sql = format!("select {}", conditions.join(" or "));
    Ok(bind(&sql, person).fetch_one(tx.connection()?).await?.try_get(0)?)
}

/// The user of a patient record who is a patient in the organization and nothing else: the two are one
/// person, and are erased as one. The record of somebody who works there is a thing of its own.
pub(super) async fn patient_user(tx: &mut impl Tx, patient: PatientId) -> Result<Option<UserId>, DatabaseError> {
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

/// The person's ids, as far as the context goes.
pub(super) async fn person_get(tx: &mut impl Tx, subject: Subject) -> Result<Person, DatabaseError> {
    let (user, patient) = match subject {
        Subject::User(user) => (Some(user.0), None),
        Subject::Patient(patient) => (None, Some(patient.0)),
    };
    let patients = sqlx::query!(
        r#"
        select id, organization_id, uid from patients
        where (user_id = $1 or id = $2) and erased_at is null
        order by id
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
    let files = of_records.chain(of_user).collect();
    let (member, patients) = (!organizations.is_empty(), patients.iter().map(|row| row.id).collect());
    Ok(Person { user, member, patients, specialists, files })
}

/// Keeps the user from being linked to further records to the end of the transaction: a link refers to
/// the membership, so who makes one waits here, or is waited for.
pub(super) async fn memberships_hold(tx: &mut WriteTx, subject: Subject) -> Result<(), DatabaseError> {
    let Subject::User(user) = subject else { return Ok(()) };
    sqlx::query!(
        "select organization_id from memberships where user_id = $1 order by organization_id for update",
        user.0
    )
    .fetch_all(tx.connection()?)
    .await?;
    Ok(())
}

/// What to hold for nobody to book for the person, or to change who administers its organizations.
pub(super) async fn person_locks(tx: &mut WriteTx, person: &Person) -> Result<Vec<Lock>, DatabaseError> {
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

/// Keeps the user's account to the end of the transaction: a membership that is being accepted waits, and
/// then finds the account gone.
pub(super) async fn account_hold(tx: &mut WriteTx, user: i64) -> Result<(), DatabaseError> {
    sqlx::query!("select id from users where id = $1 for update", user).fetch_optional(tx.connection()?).await?;
    Ok(())
}

/// Which of a holding's rows are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Every one that the context shows.
    Context,
    /// Those that belong to no organization: who signs in, or works on its own account, is in none.
    Platform,
}

/// Does with a holding what the mode says; how many rows that was.
pub(super) async fn holding_change(
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

/// What an export shows of a holding: the rows that come after `after`, and after what to go on. There
/// is no more when there is no such place.
pub(super) async fn holding_page(
    tx: &mut DisclosedTx,
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
    let (table, columns, rows) = (holding.table, columns.join(", "), rows_of(holding));
    let sql = format!(
        "select to_jsonb(r) from (
             select {columns} from {table} t {keys}
             where {rows} and ($4::text is null or {key} > $4::text::{kind})
             order by {key} limit {PAGE}) r"
    );
    let found = bind(&sql, person).bind(after).fetch_all(tx.connection()?).await?;
    let mut last = None;
    let mut page = Vec::with_capacity(found.len());
    for row in &found {
        let (row, place) = held_row(holding.sealed_by, row.try_get(0)?)?;
        page.push(row);
        last = place;
    }
    Ok((page, last.filter(|_| found.len() == PAGE)))
}

/// A row and its place.
fn held_row(sealed_by: SealedBy, row: Value) -> Result<(HeldRow, Option<String>), DatabaseError> {
    let Value::Object(mut columns) = row else { return Err(damaged("a row is no object")) };
    let mut key_part = |name: &str| columns.shift_remove(name).filter(|value| !value.is_null());
    let (organization, key, wrapped, row) = (key_part(ORGANIZATION), key_part(KEY), key_part(WRAPPED), key_part(ROW));
    let organization = OrganizationId(organization.as_ref().and_then(Value::as_i64).unwrap_or_default());
    let uuid = |value: Value| value.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| damaged("no UUID"));
    let (key, row) = (key.map(uuid).transpose()?, row.map(uuid).transpose()?);
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

/// Bytes as PostgreSQL writes them into JSON.
pub(super) fn bytes(value: &Value) -> Result<Vec<u8>, DatabaseError> {
    let digits = value.as_str().and_then(|text| text.strip_prefix("\\x"));
    digits.and_then(|digits| hex::decode(digits).ok()).ok_or_else(|| damaged("no bytes"))
}

fn damaged(what: &str) -> DatabaseError {
    DatabaseError::Damaged(format!("a row of the registry: {what}"))
}

/// Whether a forwarder has audit rows of the user's in hand, as they were before erasure took the
/// personal part of them. Rows that Telemetry refused wait longer than a lease, in nobody's hand.
pub(super) async fn outbox_in_hand(tx: &mut impl Tx, user: i64) -> Result<bool, DatabaseError> {
    let in_hand = sqlx::query_scalar!(
        r#"
        select exists (
            select from audit_outbox o join audit_log l on l.id = o.audit_id
            where o.leased_until between clock_timestamp() and clock_timestamp() + interval '15 seconds'
              and (l.actor_user_id = $1 or l.impersonator_user_id = $1)) as "in_hand!"
        "#,
        user
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(in_hand)
}

/// What the identity provider calls a user that is erased here; `None` when the name is gone already.
pub(super) async fn clerk_id(tx: &mut impl Tx, user: i64) -> Result<Option<String>, DatabaseError> {
    let clerk_id = sqlx::query_scalar!(
        "select clerk_id from users where id = $1 and deleted_at is not null and clerk_id not like 'erased:%'",
        user
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(clerk_id)
}

/// Puts `erased` in the place of what the identity provider called the user; see `user::Service::erased_name`.
pub(super) async fn clerk_id_forget(tx: &mut WriteTx, user: i64, erased: &str) -> Result<u64, DatabaseError> {
    // In turn with news of the user: it is known by the one name or by the other at any moment.
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

/// An erasure, if the caller may see it, and the organization that it is in.
pub(super) async fn erasure_get(
    reader: &mut OpenReader,
    kind: &str,
    id: Uuid,
) -> Result<Option<(Option<OrganizationId>, Job)>, DatabaseError> {
    let (connection, (user, organization, role, patient, specialist)) = reader.parts();
    let row = sqlx::query!(
        r#"
        select j.id, j.organization_id, j.payload, j.state as "state: JobState", j.attempts, j.last_error, j.progress,
               j.created_at, j.started_at, j.finished_at
        from context_enter($1, $2, $3, $4, $5) as ctx
        cross join lateral (select * from jobs where id = $6 and kind = $7 and ctx offset 0) j
        "#,
        user,
        organization,
        role,
        patient,
        specialist,
        id,
        kind
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| {
        let organization = Some(row.organization_id).filter(|id| *id != 0).map(OrganizationId);
        let job = Job {
            id: row.id,
            payload: row.payload,
            state: row.state,
            attempts: row.attempts,
            last_error: row.last_error,
            progress: row.progress,
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
        };
        (organization, job)
    }))
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
