//! Reads composed from conditions: a page of a list with its total, or one row, in one statement.
//!
//! The statement contains only the conditions that a request has, so each combination of conditions is a statement of
//! its own, which PostgreSQL prepares and plans once. Conditions of the form `$6 is null or ended_at > $6` would
//! prevent that: the best plan then depends on the values, so PostgreSQL plans anew for each execution, which takes
//! longer than the read itself.
//!
//! Statements of [`Database::read`](super::Database::read) enter the context themselves; in a transaction opened by
//! [`Database::disclose`](super::Database::disclose) or `write`, the context has been entered already.

use std::fmt::Write as _;

use poem_openapi::types::{Example, ParseFromJSON, ToJSON};
use server_shared::http::{
    Page, Paging, Total,
    page::{COUNTED, LARGEST_SIZE},
};
use sqlx::{
    Arguments as _, AssertSqlSafe, Encode, FromRow, PgConnection, Postgres, Row as _, Type, ValueRef as _,
    error::BoxDynError,
    postgres::{PgArguments, PgRow},
};

use super::{
    DatabaseError, DiscloseTx, OpenReader, Sealed, Tx, WriteTx, connection::Statement, context::ContextParameters,
};

/// Rows of one kind: their table, columns and visibility, stated once for every read.
pub(crate) trait Listed: for<'r> FromRow<'r, PgRow> + Send + Unpin {
    /// Table, or the function that returns the rows.
    const TABLE: &'static str;
    /// Columns to read.
    const COLUMNS: &'static str;
    /// Condition that a row meets to be visible at all, e.g. `deleted_at is null`.
    const PRESENT: &'static str;
    /// Column that is never null and identifies a row among those of all organizations; one of `COLUMNS`.
    const KEY: &'static str = "id";
    /// `true` if the rows have `organization_id`. Rows without it come from a function that returns only rows of the
    /// context's organization.
    const OF_ORGANIZATIONS: bool = true;
}

/// Table of organizations whose rows a snapshot reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows {
    /// Name of the table.
    pub(crate) table: &'static str,
    /// Condition that a row meets to be visible at all.
    pub(crate) present: &'static str,
}

impl Rows {
    /// Returns the rows of a kind.
    pub(crate) const fn of<T: Listed>() -> Self {
        Self { table: T::TABLE, present: T::PRESENT }
    }
}

/// Place at which the context of a statement is entered.
#[derive(Debug, Clone, Copy)]
enum Entry {
    /// The statement enters it with its first five parameters.
    Here,
    /// The transaction has entered it already; the value is its organization.
    Before(Option<i64>),
}

/// Builder of a read. The text of the statement consists of `'static` pieces and numbers of parameters; values are
/// bound.
pub(crate) struct List<'c> {
    connection: Statement<'c>,
    entry: Entry,
    /// `true` if the policies of the connection's role show rows of at most one organization.
    confined: bool,
    conditions: String,
    arguments: Result<PgArguments, BoxDynError>,
}

/// Builder of a read that returns its rows sealed.
pub(crate) struct SealedList<'c>(List<'c>);

impl<'c> List<'c> {
    /// Begins a statement that enters the context itself.
    pub(super) fn entering(connection: Statement<'c>, context: ContextParameters, confined: bool) -> Self {
        let (user, organization, role, patient, specialist) = context;
        let mut list = Self::new(connection, Entry::Here, confined);
        list.bind(user);
        list.bind(organization);
        list.bind(role);
        list.bind(patient);
        list.bind(specialist);
        list
    }

    /// Begins a statement in a transaction that has entered the context of `organization`.
    pub(super) fn entered(connection: &'c mut PgConnection, organization: Option<i64>, confined: bool) -> Self {
        Self::new(connection.into(), Entry::Before(organization), confined)
    }

    fn new(connection: Statement<'c>, entry: Entry, confined: bool) -> Self {
        Self { connection, entry, confined, conditions: String::new(), arguments: Ok(PgArguments::default()) }
    }

    /// Restricts the read to rows for which `comparison`, a column and an operator, is true of `value`; without a
    /// value, adds no condition.
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

    /// Restricts the read to rows whose `column` is one of `values`. Without values, adds no condition.
    pub(crate) fn any<'v, T>(mut self, column: &'static str, values: Option<T>) -> Self
    where
        T: Encode<'v, Postgres> + Type<Postgres>,
    {
        if let Some(values) = values {
            let place = self.bind(values);
            // Writing to a String can't fail.
            let _ = write!(self.conditions, " and {column} = any(${place})");
        }
        self
    }

    /// Restricts the read to rows whose `id` the subquery `query` returns for `value`; `query` ends with a column and
    /// an operator, and returns few ids. Without a value, adds no condition.
    ///
    /// Compares with an array, which is made once: of a join, the planner might look for each row of the list in turn.
    pub(crate) fn among<'v, T>(mut self, query: &'static str, value: Option<T>) -> Self
    where
        T: Encode<'v, Postgres> + Type<Postgres>,
    {
        if let Some(value) = value {
            let place = self.bind(value);
            // Writing to a String can't fail.
            let _ = write!(self.conditions, " and id = any(array({query} ${place}))");
        }
        self
    }

    /// Restricts the read to rows of the context's organization, for keys that are unique only within one. A page is
    /// restricted to it anyway.
    pub(crate) fn of_organization(mut self) -> Self {
        let place = self.organization();
        // Writing to a String can't fail.
        let _ = write!(self.conditions, " and organization_id = ${place}");
        self
    }

    /// Reads the page in this order, for which there should be an index.
    pub(crate) async fn page<T>(self, order: &'static str, paging: Paging) -> Result<Page<T>, DatabaseError>
    where
        T: Listed + ParseFromJSON + ToJSON + Example + Sync,
    {
        let (entries, total) = self.rows(order, paging).await?;
        Ok(paging.page(entries, total))
    }

    /// Reads the rows of the page and the total, for rows that the caller gets in another form.
    pub(crate) async fn rows<T>(mut self, order: &'static str, paging: Paging) -> Result<(Vec<T>, Total), DatabaseError>
    where
        T: Listed,
    {
        let sql = self.page_sql::<T>(order, paging);
        let arguments = self.arguments.map_err(sqlx::Error::Encode)?;
        let rows = sqlx::query_with(AssertSqlSafe(sql), arguments).fetch_all(self.connection).await?;
        let total = rows.first().map_or(Ok(0), |row| row.try_get("total"))?;
        // Past the last page, the only row has the total and no entry.
        let there = |row: &&PgRow| row.try_get_raw(T::KEY).is_ok_and(|key| !key.is_null());
        let entries: Vec<T> = rows.iter().filter(there).map(T::from_row).collect::<Result<_, sqlx::Error>>()?;
        Ok((entries, paging.total(total)))
    }

    /// Reads the one row that meets the conditions, which compare a unique key; `None` if there is none.
    ///
    /// Adds no condition on the organization: the policies compare it already, and with the condition the planner might
    /// prefer an index that begins with the organization.
    pub(crate) async fn one<T: Listed>(self) -> Result<Option<T>, DatabaseError> {
        let (table, columns, present, conditions) = (T::TABLE, T::COLUMNS, T::PRESENT, &self.conditions);
        let sql = match self.entry {
            Entry::Here => format!(
                "select a.* from context_enter($1, $2, $3, $4, $5) as ctx cross join lateral (\
                     select {columns} from {table} where {present} and ctx{conditions} offset 0\
                 ) as a"
            ),
            Entry::Before(_) => format!("select {columns} from {table} where {present}{conditions}"),
        };
        let arguments = self.arguments.map_err(sqlx::Error::Encode)?;
        let row = sqlx::query_as_with(AssertSqlSafe(sql), arguments).fetch_optional(self.connection).await?;
        Ok(row)
    }

    /// Reads the row with this key; `None` when there is none.
    pub(super) async fn of_key<'v, T: Listed>(
        mut self,
        key: impl Encode<'v, Postgres> + Type<Postgres>,
    ) -> Result<Option<T>, DatabaseError> {
        let place = self.bind(key);
        // Writing to a String can't fail.
        let _ = write!(self.conditions, " and {} = ${place}", T::KEY);
        self.one().await
    }

    /// Reads the rows with these keys, sorted by key; leaves out those that are not there. Statements of transactions
    /// only.
    ///
    /// Joins the keys instead of comparing with an array: an index that ends with the key would serve the array, too, by
    /// skipping what stands before, and while statistics are old, it seems as short a way.
    async fn of_keys<'v, T: Listed>(
        mut self,
        keys: impl Encode<'v, Postgres> + Type<Postgres>,
    ) -> Result<Vec<T>, DatabaseError> {
        let place = self.bind(keys);
        let (table, columns, present, key) = (T::TABLE, T::COLUMNS, T::PRESENT, T::KEY);
        let sql = format!(
            "select a.* from unnest(${place}) as wanted (key) \
             cross join lateral (select {columns} from {table} where {present} and {key} = wanted.key) as a \
             order by a.{key}"
        );
        let arguments = self.arguments.map_err(sqlx::Error::Encode)?;
        let rows = sqlx::query_as_with(AssertSqlSafe(sql), arguments).fetch_all(self.connection).await?;
        Ok(rows)
    }

    /// Writes the statement that reads a page and counts the entries up to [`Paging::counted`] and one more.
    ///
    /// Page and count read the same entries in the same order, so both stop early on the index of that order. Without
    /// the order, the planner might count by reading the whole table, which is cheaper only if the organization has
    /// most of its rows.
    fn page_sql<T: Listed>(&mut self, order: &'static str, paging: Paging) -> String {
        let (table, columns, present, key) = (T::TABLE, T::COLUMNS, T::PRESENT, T::KEY);
        let of_organization = if T::OF_ORGANIZATIONS { self.organization_condition() } else { "" };
        let (enter, ctx) = match self.entry {
            Entry::Here => ("context_enter($1, $2, $3, $4, $5) as ctx cross join lateral ", " and ctx"),
            Entry::Before(_) => ("", ""),
        };
        let limit = self.bind(paging.limit());
        let conditions = std::mem::take(&mut self.conditions);
        let rows = |columns: &str| {
            format!("select {columns} from {table} where {present}{of_organization}{ctx}{conditions} order by {order}")
        };
        // PostgreSQL assumes that a limit given as a parameter returns a tenth of the rows, and would plan each page
        // anew. A constant limit around it tells the planner how far a page reaches at most; powers of two keep the
        // number of statements small.
        let page = if paging.offset() == 0 {
            let rows = rows(columns);
            format!("select * from ({rows} limit {LARGEST_SIZE}) as first limit ${limit}")
        } else {
            let offset = self.bind(paging.offset());
            let reach = power_of_two(paging.offset() + paging.limit());
            let keys = rows(&format!("{key} as page_key"));
            // Skipped entries are read from the index alone; only the rows of the page are read from the table.
            format!(
                "select {columns} from (\
                     select * from (select * from ({keys} limit {reach}) as reached limit ${limit} offset ${offset}) as far \
                     limit {LARGEST_SIZE}\
                 ) as page join {table} on {key} = page.page_key{ctx} order by {order}"
            )
        };
        let counted = rows("");
        let counted = if paging.counted() == COUNTED {
            format!("{counted} limit {}", COUNTED + 1)
        } else {
            let most = self.bind(paging.counted() + 1);
            format!("select from ({counted} limit {}) as reached limit ${most}", power_of_two(paging.counted() + 1))
        };
        format!(
            "select a.*, counted.total from {enter}(\
                 select count(*) as total from ({counted}) as entries offset 0\
             ) as counted \
             left join lateral ({page}) as a on true"
        )
    }

    /// Returns the condition on the organization of the rows, unless policies of the restricted role compare it.
    ///
    /// The organization is not a parameter, for the planner must not know it: by statistics of a time when it had few
    /// rows, the planner would read all its rows and sort them.
    fn organization_condition(&self) -> &'static str {
        if self.confined { "" } else { " and organization_id = (select context_organization())" }
    }

    /// Returns the connection, the part of a statement that names the rows, from `from` to the last condition, and the
    /// arguments. For statements of transactions only.
    pub(super) fn into_parts(self, rows: Rows) -> (Statement<'c>, String, Result<PgArguments, BoxDynError>) {
        let Rows { table, present } = rows;
        let rows = format!("from {table} where {present}{}{}", self.organization_condition(), self.conditions);
        (self.connection, rows, self.arguments)
    }

    /// Returns the number of the parameter that holds the context's organization.
    fn organization(&mut self) -> usize {
        match self.entry {
            Entry::Here => 2,
            Entry::Before(organization) => self.bind(organization),
        }
    }

    /// Binds a value and returns the number of its parameter.
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

/// Returns the least power of two that is not less than `number` and [`COUNTED`].
fn power_of_two(number: i64) -> u64 {
    number.max(COUNTED).unsigned_abs().next_power_of_two()
}

impl<'c> SealedList<'c> {
    pub(super) fn new(list: List<'c>) -> Self {
        Self(list)
    }

    /// Restricts the read like [`List::filter`].
    pub(crate) fn filter<'v, T>(self, comparison: &'static str, value: Option<T>) -> Self
    where
        T: Encode<'v, Postgres> + Type<Postgres>,
    {
        Self(self.0.filter(comparison, value))
    }

    /// Restricts the read by the conditions that `narrow` adds.
    pub(crate) fn narrowed(self, narrow: impl FnOnce(List<'c>) -> List<'c>) -> Self {
        Self(narrow(self.0))
    }

    /// Restricts the read to rows whose `id` the subquery `query` returns for `value`, like [`List::among`].
    pub(crate) fn among<'v, T>(self, query: &'static str, value: Option<T>) -> Self
    where
        T: Encode<'v, Postgres> + Type<Postgres>,
    {
        Self(self.0.among(query, value))
    }

    /// Reads the rows of the page and the total like [`List::rows`].
    pub(crate) async fn rows<T>(
        self,
        order: &'static str,
        paging: Paging,
    ) -> Result<Sealed<(Vec<T>, Total)>, DatabaseError>
    where
        T: Listed,
    {
        self.0.rows(order, paging).await.map(Sealed::new)
    }
}

impl OpenReader {
    /// Reads the row with this key; `None` when there is none.
    pub(crate) async fn get<'v, T: Listed>(
        &mut self,
        key: impl Encode<'v, Postgres> + Type<Postgres>,
    ) -> Result<Option<T>, DatabaseError> {
        self.list().of_key(key).await
    }
}

impl DiscloseTx {
    /// Reads the row with this key; `None` when there is none.
    pub(crate) async fn get<'v, T: Listed>(
        &mut self,
        key: impl Encode<'v, Postgres> + Type<Postgres>,
    ) -> Result<Option<Sealed<T>>, DatabaseError> {
        Ok(self.list()?.0.of_key(key).await?.map(Sealed::new))
    }

    /// Reads the rows with these keys, sorted by key; leaves out those that are not there.
    pub(crate) async fn get_all<'v, T: Listed>(
        &mut self,
        keys: impl Encode<'v, Postgres> + Type<Postgres>,
    ) -> Result<Sealed<Vec<T>>, DatabaseError> {
        self.list()?.0.of_keys(keys).await.map(Sealed::new)
    }
}

impl WriteTx {
    /// Reads the row with this key; `None` when there is none.
    pub(crate) async fn get<'v, T: Listed>(
        &mut self,
        key: impl Encode<'v, Postgres> + Type<Postgres>,
    ) -> Result<Option<T>, DatabaseError> {
        List::new(self.connection()?.into(), Entry::Before(None), false).of_key(key).await
    }

    /// Reads the rows with these keys, sorted by key; leaves out those that are not there.
    pub(crate) async fn get_all<'v, T: Listed>(
        &mut self,
        keys: impl Encode<'v, Postgres> + Type<Postgres>,
    ) -> Result<Vec<T>, DatabaseError> {
        List::new(self.connection()?.into(), Entry::Before(None), false).of_keys(keys).await
    }

    /// Reads the row with this key and locks it against changes to the end of the transaction; other rows may still be
    /// made to refer to it. `None` if there is none.
    pub(crate) async fn lock<'v, T: Listed>(
        &mut self,
        key: impl Encode<'v, Postgres> + Type<Postgres> + Send + 'v,
    ) -> Result<Option<T>, DatabaseError> {
        let (table, columns, present, name) = (T::TABLE, T::COLUMNS, T::PRESENT, T::KEY);
        let sql = format!("select {columns} from {table} where {present} and {name} = $1 for no key update");
        let row = sqlx::query_as(AssertSqlSafe(sql)).bind(key).fetch_optional(self.connection()?).await?;
        Ok(row)
    }
}
