//! Rows that are read by the position of their columns.
//!
//! `sqlx::FromRow` looks up each column of each row by its name, which takes as long as decoding it. The fields of a
//! row that long lists consist of are its columns, in order: for the statement, and for reading them.

use sqlx::{Decode, Postgres, Row as _, Type, postgres::PgRow};

/// Reads the columns of a row from the first to the last.
pub(crate) struct Columns<'r> {
    row: &'r PgRow,
    next: usize,
}

impl<'r> Columns<'r> {
    /// Begins with the first column.
    pub(crate) fn of(row: &'r PgRow) -> Self {
        Self { row, next: 0 }
    }

    /// Reads the next column.
    pub(crate) fn read<T>(&mut self) -> Result<T, sqlx::Error>
    where
        T: Decode<'r, Postgres> + Type<Postgres>,
    {
        let place = self.next;
        self.next += 1;
        self.row.try_get(place)
    }
}

/// Defines a struct whose fields have the names of columns, with `FromRow` and with `COLUMNS` for
/// [`Listed`](super::Listed). The statement must select `COLUMNS` first.
macro_rules! columns {
    (
        $(#[$meta:meta])*
        $visibility:vis struct $row:ident {
            $(#[$first_meta:meta])*
            $first_visibility:vis $first:ident: $first_type:ty
            $(, $(#[$field_meta:meta])* $field_visibility:vis $field:ident: $type:ty)* $(,)?
        }
    ) => {
        $(#[$meta])*
        $visibility struct $row {
            $(#[$first_meta])*
            $first_visibility $first: $first_type
            $(, $(#[$field_meta])* $field_visibility $field: $type)*
        }

        impl $row {
            /// Columns of the row, in the order in which they are read.
            pub(crate) const COLUMNS: &'static str = concat!(stringify!($first) $(, ", ", stringify!($field))*);
        }

        impl<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow> for $row {
            fn from_row(row: &'r sqlx::postgres::PgRow) -> Result<Self, sqlx::Error> {
                let mut columns = $crate::database::Columns::of(row);
                // Fields of a struct expression are evaluated in the order in which they are written.
                Ok(Self { $first: columns.read()? $(, $field: columns.read()?)* })
            }
        }
    };
}

pub(crate) use columns;
