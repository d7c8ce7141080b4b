use std::collections::BTreeSet;

use poem_openapi::{
    Object,
    types::{Example, ParseFromJSON as _, ToJSON as _},
};
use serde_json::Value;
use server_shared::value::{Key, LanguageTag, Line, Prose, folded};

use super::{FieldOption, FieldTranslation, FieldType, FieldValidation};
use crate::domain::rules::{FieldFaults, below};

/// Largest size of a definition in bytes, written as JSON.
const LARGEST: usize = 64 * 1024;

/// Stored definition that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("a stored definition of a field can't be read")]
pub(crate) struct DefinitionFault;

/// Definition of a field: the type of its values, their bounds, and the texts that people see.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct FieldDefinition {
    /// Type of the values.
    pub(crate) field_type: FieldType,
    /// Label that people see beside the field, 1 to 200 characters.
    pub(crate) label: Line<1, 200>,
    /// Explanation for people who fill in the field, 1 to 2,000 characters; absent if there is none.
    pub(crate) help: Option<Prose<1, 2000>>,
    /// Unit of a number, e.g. `kg`, 1 to 40 characters; absent if it has none.
    pub(crate) unit: Option<Line<1, 40>>,
    /// Options of a choice in their order, at most 200, retired ones included; empty for other types.
    #[oai(default, validator(max_items = 200))]
    pub(crate) options: Vec<FieldOption>,
    /// Bounds of the values; absent if those of the type apply.
    pub(crate) validation: Option<FieldValidation>,
    /// Texts in other languages, at most 20.
    #[oai(default, validator(max_items = 20))]
    pub(crate) translations: Vec<FieldTranslation>,
    /// `true` if the values are protected health information: they are stored encrypted, and no segment, list or search
    /// uses them.
    pub(crate) phi: bool,
}

impl FieldDefinition {
    /// Adds all faults of the definition, with pointers below `at`.
    pub(crate) fn check(&self, at: &str, faults: &mut FieldFaults) {
        if self.unit.is_some() && !self.field_type.is_number() {
            faults.add(format!("{at}/unit"), "not_applicable", "does not apply to fields of this type");
        }
        self.check_options(at, faults);
        if let Some(validation) = &self.validation {
            validation.check(self, &format!("{at}/validation"), faults);
        }
        self.check_translations(at, faults);
        if self.to_json_string().len() > LARGEST {
            faults.add(at, "max_size", "must not be larger than 64 KiB, texts of options and translations included");
        }
    }

    /// Adds a fault if the definition lacks an option that an earlier one had. Stored values may hold it, and its key
    /// must never get another meaning; it can be retired. A definition without options keeps none.
    pub(crate) fn check_options_kept<'a>(
        &self,
        earlier: impl IntoIterator<Item = &'a str>,
        at: &str,
        faults: &mut FieldFaults,
    ) {
        if !self.field_type.is_choice() {
            return;
        }
        for key in earlier {
            if self.option(key).is_none() {
                let message = format!("must keep the option {key}; set `retired` to take it out of use");
                faults.add(format!("{at}/options"), "option_removed", message);
            }
        }
    }

    /// Returns the option `key`, retired or not.
    pub(crate) fn option(&self, key: &str) -> Option<&FieldOption> {
        self.options.iter().find(|option| option.key.as_str() == key)
    }

    fn check_options(&self, at: &str, faults: &mut FieldFaults) {
        if !self.field_type.is_choice() {
            if !self.options.is_empty() {
                faults.add(format!("{at}/options"), "not_applicable", "does not apply to fields of this type");
            }
            return;
        }
        if self.options.iter().all(|option| option.retired) {
            faults.add(format!("{at}/options"), "min_items", "must have at least 1 option that is not retired");
        }
        let (mut keys, mut labels) = (BTreeSet::new(), BTreeSet::new());
        for (index, option) in self.options.iter().enumerate() {
            if !keys.insert(option.key.as_str()) {
                faults.add(
                    format!("{at}/options/{index}/key"),
                    "repeated",
                    "is the key of another option of the field",
                );
            }
            if !option.retired && !labels.insert(folded(option.label.as_str())) {
                let message = "is the label of another option of the field; letter case and accents make no difference";
                faults.add(format!("{at}/options/{index}/label"), "repeated", message);
            }
        }
    }

    fn check_translations(&self, at: &str, faults: &mut FieldFaults) {
        let keys: BTreeSet<&str> = self.options.iter().map(|option| option.key.as_str()).collect();
        let mut languages: BTreeSet<&LanguageTag> = BTreeSet::new();
        for (index, translation) in self.translations.iter().enumerate() {
            let at = format!("{at}/translations/{index}");
            if !languages.insert(&translation.language) {
                faults.add(format!("{at}/language"), "repeated", "is the language of another translation of the field");
            }
            if translation.help.is_some() && self.help.is_none() {
                faults.add(format!("{at}/help"), "not_applicable", "translates a text that the field does not have");
            }
            for key in translation.options.keys().filter(|key| !keys.contains(key.as_str())) {
                faults.add(below(&format!("{at}/options"), key), "unknown", "is no option of the field");
            }
        }
    }
}

impl TryFrom<Value> for FieldDefinition {
    type Error = DefinitionFault;

    fn try_from(stored: Value) -> Result<Self, DefinitionFault> {
        Self::parse_from_json(Some(stored)).map_err(|_| DefinitionFault)
    }
}

impl Example for FieldDefinition {
    fn example() -> Self {
        let option =
            |key, label| FieldOption { key: Key::from_static(key), label: Line::from_static(label), retired: false };
        Self {
            field_type: FieldType::SingleChoice,
            label: Line::from_static("Dominant hand"),
            help: Some(Prose::from_static("The hand that the patient writes with.")),
            unit: None,
            options: vec![option("left", "Left"), option("right", "Right"), option("both", "Both")],
            validation: None,
            translations: vec![FieldTranslation {
                language: LanguageTag::from_static("ro"),
                label: Line::from_static("Mâna dominantă"),
                help: None,
                options: [("left", "Stânga"), ("right", "Dreapta"), ("both", "Ambele")]
                    .map(|(key, label)| (key.to_owned(), Line::from_static(label)))
                    .into(),
            }],
            phi: false,
        }
    }
}
