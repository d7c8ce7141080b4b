use poem_openapi::Object;
use server_shared::value::{Key, Line};

/// Option of a field of the type `single_choice` or `multiple_choice`.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub(crate) struct FieldOption {
    /// Key of the option, unique in the field. Values store it; it never gets another meaning.
    pub(crate) key: Key,
    /// Label that people choose by, 1 to 200 characters, unique among the field's options that are not retired.
    pub(crate) label: Line<1, 200>,
    /// `true` if the option can no longer be chosen; stored values keep it.
    #[oai(default)]
    pub(crate) retired: bool,
}
