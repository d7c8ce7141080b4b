//! Checks of translations.

use std::collections::BTreeSet;

use server_shared::value::LanguageTag;

use crate::domain::{
    form_definition::model::{FormTextTranslation, FormTranslation},
    rules::FieldFaults,
};

/// Adds the faults of the translations of a label and, if `has_help`, of an explanation.
pub(super) fn check_translations(
    translations: &[FormTranslation],
    has_help: bool,
    language: &LanguageTag,
    at: &str,
    faults: &mut FieldFaults,
) {
    check_languages(translations.iter().map(|translation| &translation.language), language, at, faults);
    for (index, translation) in translations.iter().enumerate() {
        if translation.help.is_some() && !has_help {
            let message = "translates a text that is not there";
            faults.add(format!("{at}/translations/{index}/help"), "not_applicable", message);
        }
    }
}

/// Adds the faults of the translations of a text.
pub(super) fn check_texts(
    translations: &[FormTextTranslation],
    language: &LanguageTag,
    at: &str,
    faults: &mut FieldFaults,
) {
    check_languages(translations.iter().map(|translation| &translation.language), language, at, faults);
}

fn check_languages<'t>(
    languages: impl Iterator<Item = &'t LanguageTag>,
    of_form: &LanguageTag,
    at: &str,
    faults: &mut FieldFaults,
) {
    let mut seen = BTreeSet::new();
    for (index, language) in languages.enumerate() {
        if language == of_form {
            faults.add(format!("{at}/translations/{index}/language"), "repeated", "is the language of the form itself");
        } else if !seen.insert(language) {
            let message = "is the language of another translation";
            faults.add(format!("{at}/translations/{index}/language"), "repeated", message);
        }
    }
}
