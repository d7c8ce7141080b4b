use std::{collections::BTreeMap, fmt};

use poem_openapi::{Object, types::Example};
use serde_json::{Map, Value};
use server_shared::value::LanguageTag;

use super::{content::Content, stored::AsStored};
use crate::{
    database::DatabaseError,
    domain::{
        form_definition::{FormDefinition, FormEvaluation},
        rules::FieldFaults,
    },
};

/// Pointer of the values in a body, and of their faults.
const VALUES: &str = "/values";

/// Values for which a form is previewed. They are not stored.
#[derive(Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct PreviewForm {
    /// Number of the published version to preview; the draft if left out.
    #[oai(validator(minimum(value = "1")))]
    pub(crate) version: Option<i32>,
    /// Language in which the form is returned; its own if left out. A text without a translation stays in the form's
    /// own language.
    pub(crate) language: Option<LanguageTag>,
    /// Values by the keys of the form's fields and groups; `null` is no value. The value of a group is a list of
    /// entries, each with an `id` (a UUID) and values by the keys of the group's fields.
    #[oai(default, validator(max_properties = 1_000))]
    pub(crate) values: BTreeMap<String, Value>,
}

/// Hides the values, which may be about somebody.
impl fmt::Debug for PreviewForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreviewForm").field("version", &self.version).finish_non_exhaustive()
    }
}

impl Example for PreviewForm {
    fn example() -> Self {
        let values = [("pain_at_rest", 6), ("pain_in_motion", 9)].map(|(key, value)| (key.to_owned(), value.into()));
        Self { version: None, language: Some(LanguageTag::from_static("de")), values: values.into() }
    }
}

/// Form in one language, and its state for the given values.
#[derive(Debug, Clone, Object)]
#[oai(example)]
pub(crate) struct FormPreview {
    /// Definition of the form with its texts in the requested language, and with the definitions of its custom fields.
    pub(crate) definition: AsStored<FormDefinition>,
    /// Everything that the form shows, requires and computes; pointers of faults begin with `/values`.
    pub(crate) evaluation: FormEvaluation,
}

impl FormPreview {
    /// Evaluates a form for values by the rules of forms that are filled in.
    pub(super) fn of(content: &Content, input: &PreviewForm) -> Result<Self, DatabaseError> {
        let compiled = content.compile()?;
        let values: Map<String, Value> = input.values.clone().into_iter().collect();
        let mut faults = FieldFaults::default();
        let answers = compiled.read(&values, None, VALUES, &mut faults);
        let evaluation = compiled.report(&answers, &compiled.evaluate(&answers), VALUES, &faults);
        let language = input.language.as_ref().unwrap_or(&content.definition.language);
        let definition = content.definition.localized(language, &content.library());
        Ok(Self { definition: AsStored::of(&definition), evaluation })
    }
}

impl Example for FormPreview {
    fn example() -> Self {
        let content = Content { definition: FormDefinition::example(), fields: Vec::new(), phi_cleared: Vec::new() };
        Self::of(&content, &PreviewForm::example()).unwrap_or_else(|_| Self {
            definition: AsStored::of(&content.definition),
            evaluation: FormEvaluation::empty(),
        })
    }
}
