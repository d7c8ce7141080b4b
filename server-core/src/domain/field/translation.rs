use std::collections::BTreeMap;

use poem_openapi::Object;
use server_shared::value::{LanguageTag, Line, Prose};

/// Texts of a field in another language. A text that it leaves out is shown in the language of the field itself.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct FieldTranslation {
    /// Language of the texts, unique among the translations of the field.
    pub(crate) language: LanguageTag,
    /// Label of the field, 1 to 200 characters.
    pub(crate) label: Line<1, 200>,
    /// Explanation of the field, 1 to 2,000 characters; absent if it is not translated.
    pub(crate) help: Option<Prose<1, 2000>>,
    /// Labels of the options by their keys, at most 200; options that are left out are not translated.
    #[oai(default, validator(max_properties = 200))]
    pub(crate) options: BTreeMap<String, Line<1, 200>>,
}
