//! Definitions in the language of a reader.

use server_shared::value::LanguageTag;

use super::{
    item::{FieldItem, FormItem},
    library::FieldLibrary,
    model::{FormDefinition, FormSection, FormTextTranslation, FormTranslation},
};
use crate::domain::field::{FieldDefinition, FieldTranslation};

impl FormDefinition {
    /// Returns the definition with each text in `language`, and with the definitions of its custom fields. A text is
    /// taken from the translation with the same tag, else from one with the same primary subtag (`de` for `de-CH`, or
    /// `de-AT` for `de`); without any, it stays in the form's own language. Translations are left out.
    pub(crate) fn localized(&self, language: &LanguageTag, library: &impl FieldLibrary) -> Self {
        let reader = Reader { language, of_form: &self.language };
        let sections = self.sections.iter().map(|section| reader.section(section, library)).collect();
        Self { language: self.language.clone(), sections, signatures: self.signatures.clone() }
    }
}

/// Language of a reader beside the one that a form is written in.
struct Reader<'l> {
    language: &'l LanguageTag,
    of_form: &'l LanguageTag,
}

impl Reader<'_> {
    fn section(&self, section: &FormSection, library: &impl FieldLibrary) -> FormSection {
        let mut section = section.clone();
        if let Some(texts) = self.pick(std::mem::take(&mut section.translations), true) {
            section.label = texts.label;
            section.help = texts.help.or(section.help);
        }
        for item in &mut section.items {
            self.item(item, library);
        }
        section
    }

    fn item(&self, item: &mut FormItem, library: &impl FieldLibrary) {
        if let Some(field) = &mut item.field {
            self.field(field, library);
        }
        if let Some(group) = &mut item.group {
            if let Some(texts) = self.pick(std::mem::take(&mut group.translations), true) {
                group.label = texts.label;
                group.help = texts.help.or(group.help.take());
            }
            for field in &mut group.items {
                self.field(&mut field.field, library);
            }
        }
        if let Some(text) = &mut item.text
            && let Some(translation) = self.pick(std::mem::take(&mut text.translations), true)
        {
            text.text = translation.text;
        }
        if let Some(score) = &mut item.score {
            if let Some(texts) = self.pick(std::mem::take(&mut score.translations), true) {
                score.label = texts.label;
                score.help = texts.help.or(score.help.take());
            }
            for band in &mut score.bands {
                if let Some(texts) = self.pick(std::mem::take(&mut band.translations), true) {
                    band.label = texts.label;
                }
            }
        }
    }

    fn field(&self, field: &mut FieldItem, library: &impl FieldLibrary) {
        if let Some(pinned) = field.custom_field {
            field.definition = library.field(pinned.id, pinned.version).cloned();
        }
        if let Some(definition) = &mut field.definition {
            self.definition(definition, field.custom_field.is_none());
        }
    }

    fn definition(&self, definition: &mut FieldDefinition, of_form: bool) {
        let Some(texts) = self.pick(std::mem::take(&mut definition.translations), of_form) else { return };
        definition.label = texts.label;
        definition.help = texts.help.or(definition.help.take());
        for option in &mut definition.options {
            if let Some(label) = texts.options.get(option.key.as_str()) {
                option.label = label.clone();
            }
        }
    }

    /// Takes the translation for the reader; `None` if the text stays as it is. The language of a text that is not of
    /// the form itself is not known, so that any translation for the reader is better.
    fn pick<T: Translated>(&self, translations: Vec<T>, of_form: bool) -> Option<T> {
        let (wanted, own) = (self.language.as_str(), primary(self.language));
        let rank = |language: &LanguageTag| match language.as_str() {
            tag if tag == wanted => 3,
            tag if tag == own => 2,
            _ => i32::from(primary(language) == own),
        };
        let present = if of_form { rank(self.of_form) } else { 0 };
        // Of equal ones the last is taken, so that the first one stands there.
        let best = translations.into_iter().rev().max_by_key(|translation| rank(translation.language()));
        best.filter(|best| rank(best.language()) > present)
    }
}

/// Returns the first subtag, which is the language without script and region.
fn primary(tag: &LanguageTag) -> &str {
    tag.as_str().split('-').next().unwrap_or_default()
}

/// Texts in one language.
trait Translated {
    fn language(&self) -> &LanguageTag;
}

impl Translated for FormTranslation {
    fn language(&self) -> &LanguageTag {
        &self.language
    }
}

impl Translated for FormTextTranslation {
    fn language(&self) -> &LanguageTag {
        &self.language
    }
}

impl Translated for FieldTranslation {
    fn language(&self) -> &LanguageTag {
        &self.language
    }
}
