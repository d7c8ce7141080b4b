//! Lists: a page and how many there are in all, in one statement.
//!
//! The statement is composed of the conditions that a request has, so each combination of them is a
//! statement of its own that PostgreSQL prepares once and plans once. Conditions of the kind
//! `$6 is null or ended_at > $6` would keep it from both: what is read then depends on the values, so
//! it plans anew each time, which takes longer than the list does.

use std::fmt::Write as _;

use poem_openapi::types::{Example, ParseFromJSON, ToJSON};
use server_shared::http::{Page, Paging, page::LARGEST_SIZE};
use sqlx::{
    Arguments as _, AssertSqlSafe, Encode, FromRow, PgConnection, Postgres, Row as _, Type, ValueRef as _,
    error::BoxDynError,
    postgres::{PgArguments, PgRow},
};

use super::{DatabaseError, context::ContextParameters};

/// A table of which pages are read. Its rows have `organization_id` and `id`.
pub(crate) trait Listed: for<'r> FromRow<'r, PgRow> + Send + Unpin {
    /// The table.
    const TABLE: &'static str;
    /// What to read of it.
    const COLUMNS: &'static str;
    /// Which of its rows are there at all.
    const PRESENT: &'static str;
}

/// A list in the making. Its text is made of `'static` pieces and numbers of parameters; values are
/// bound.
pub(crate) struct List<'c> {
    connection: &'c mut PgConnection,
    /// Whether the policies of the connection's role let one organization through at most.
    confined: bool,
    conditions: String,
    arguments: Result<PgArguments, BoxDynError>,
}

impl<'c> List<'c> {
    pub(super) fn new(connection: &'c mut PgConnection, context: ContextParameters, confined: bool) -> Self {
        let (user, organization, role, patient, specialist) = context;
        let mut list = Self { connection, confined, conditions: String::new(), arguments: Ok(PgArguments::default()) };
        list.bind(user);
        list.bind(organization);
        list.bind(role);
        list.bind(patient);
        list.bind(specialist);
        list
    }

    /// Takes only rows where `comparison`, a column and an operator, holds with `value`; every row
    /// when there is none.
    pub(crate) fn filter<'v, T>(mut self, comparison: &'static str, value: Option<T>) -> Self
    where
        T: Encode<'v, Postgres> + Type<Postgres>,
    {
        if let Some(value) = value {
            let place = self.bind(value);
            // Writing to a String can't fail.
            let _ = write!(self.conditions, " and {comparison} ${place}");
        }
        self
    }

    /// Reads the page in this order, which an index should have.
    pub(crate) async fn page<T>(self, order: &'static str, paging: Paging) -> Result<Page<T>, DatabaseError>
    where
        T: Listed + ParseFromJSON + ToJSON + Example + Sync,
    {
        let (entries, total) = self.rows(order, paging).await?;
        Ok(paging.page(entries, total))
    }

    /// The same, of rows that are something else to who asked: those of the page, and how many there are in
    /// all.
    pub(crate) async fn rows<T>(mut self, order: &'static str, paging: Paging) -> Result<(Vec<T>, i64), DatabaseError>
    where
        T: Listed,
    {
        let sql = self.sql::<T>(order, paging);
        let arguments = self.arguments.map_err(sqlx::Error::Encode)?;
        let rows = sqlx::query_with(AssertSqlSafe(sql), arguments).fetch_all(self.connection).await?;
        let total = rows.first().map_or(Ok(0), |row| row.try_get("total"))?;
        // Past the last page the total stands alone.
        let there = |row: &&PgRow| row.try_get_raw("id").is_ok_and(|id| !id.is_null());
        let entries: Vec<T> = rows.iter().filter(there).map(T::from_row).collect::<Result<_, sqlx::Error>>()?;
        Ok((entries, total))
    }

    fn sql<T: Listed>(&mut self, order: &'static str, paging: Paging) -> String {
        let (table, columns, present) = (T::TABLE, T::COLUMNS, T::PRESENT);
        let limit = self.bind(paging.limit());
        let offset = (paging.offset() > 0).then(|| self.bind(paging.offset()));
        let conditions = &self.conditions;
        // Where the policy says it already, saying it again would have every counted row compared twice.
        let tenant = if self.confined { "" } else { " and organization_id = $2" };
        let rows = format!(
            "select {columns} from {table} where organization_id = $2 and {present} and ctx{conditions} order by {order}"
        );
        let page = match offset {
            // PostgreSQL takes a limit that it can't see for a tenth of the table, and so would plan each
            // page by itself. Below one that it can see it knows that any page is small.
            None => format!("select * from ({rows} limit {LARGEST_SIZE}) as first limit ${limit}"),
            Some(offset) => format!("{rows} limit ${limit} offset ${offset}"),
        };
        format!(
            "select counted.total, a.* from context_enter($1, $2, $3, $4, $5) as ctx \
             cross join lateral (\
                 select case when ctx then count(*) end as total from {table} where {present}{tenant}{conditions} offset 0\
             ) as counted \
             left join lateral ({page}) as a on true"
        )
    }

    /// Binds a value; gives the number of its parameter.
    fn bind<'v, T>(&mut self, value: T) -> usize
    where
        T: Encode<'v, Postgres> + Type<Postgres>,
    {
        let Ok(arguments) = &mut self.arguments else { return 0 };
        match arguments.add(value) {
            Ok(()) => arguments.len(),
            Err(fault) => {
                self.arguments = Err(fault);
                0
            }
        }
    }
}
