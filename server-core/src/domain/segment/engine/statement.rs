//! Builder of a statement. No operand of a rule gets into its text, because nothing but `'static` text and numbers can.

use std::fmt::Write as _;

use sqlx::{
    Arguments as _, AssertSqlSafe, Encode, Postgres, Type,
    error::BoxDynError,
    postgres::{PgArguments, PgRow},
};

use crate::{
    database::{DatabaseError, Tx},
    ids::OrganizationId,
};

/// Statement whose first parameter is the organization.
pub(in crate::domain::segment) struct Statement {
    text: String,
    arguments: Result<PgArguments, BoxDynError>,
}

impl Statement {
    /// Begins the statement; `$1` is the organization.
    pub(in crate::domain::segment) fn of(organization: OrganizationId) -> Self {
        let mut statement = Self { text: String::new(), arguments: Ok(PgArguments::default()) };
        statement.place(organization.0);
        statement
    }

    /// Appends text.
    pub(in crate::domain::segment) fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Appends a number.
    pub(super) fn number(&mut self, number: usize) -> &mut Self {
        // Writing to a String can't fail.
        let _ = write!(self.text, "{number}");
        self
    }

    /// Binds a value and appends its parameter.
    pub(in crate::domain::segment) fn bind<'v, T>(&mut self, value: T) -> &mut Self
    where
        T: Encode<'v, Postgres> + Type<Postgres>,
    {
        let place = self.place(value);
        self.push("$").number(place)
    }

    /// Binds a value and returns the number of its parameter.
    fn place<'v, T>(&mut self, value: T) -> usize
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

    /// Executes the statement and returns its rows. Each rule has a statement of its own, so connections don't keep it.
    pub(in crate::domain::segment) async fn fetch(self, tx: &mut impl Tx) -> Result<Vec<PgRow>, DatabaseError> {
        let arguments = self.arguments.map_err(sqlx::Error::Encode)?;
        let query = sqlx::query_with(AssertSqlSafe(self.text), arguments).persistent(false);
        Ok(query.fetch_all(tx.connection()?).await?)
    }

    /// Returns the text.
    #[cfg(test)]
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}
