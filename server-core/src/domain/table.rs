//! Columns of tables that are exported.

/// Defines the columns of a table: an enum of the specification, and the name of each column, which is also its header,
/// and the SQL that reads it, unless a row is read as a whole. The names have the form that the enum gives its values,
/// `snake_case`.
macro_rules! table_columns {
    (
        $(#[$meta:meta])*
        $visibility:vis enum $name:ident {
            $($column:ident $header:literal = $sql:literal,)*
        }
    ) => {
        $crate::domain::table::table_columns! {
            $(#[$meta])*
            $visibility enum $name {
                $($column $header,)*
            }
        }

        impl $name {
            /// Returns the SQL that reads the column.
            const fn sql(self) -> &'static str {
                match self {
                    $(Self::$column => $sql,)*
                }
            }
        }
    };
    (
        $(#[$meta:meta])*
        $visibility:vis enum $name:ident {
            $($column:ident $header:literal,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, poem_openapi::Enum)]
        #[oai(rename_all = "snake_case")]
        $visibility enum $name {
            $($column,)*
        }

        impl $name {
            /// Every column, in the order of a table that names none.
            pub(crate) const ALL: &'static [Self] = &[$(Self::$column,)*];

            /// Returns the name of the column.
            pub(crate) const fn header(self) -> &'static str {
                match self {
                    $(Self::$column => $header,)*
                }
            }
        }
    };
}

pub(crate) use table_columns;
