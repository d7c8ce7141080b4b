use poem_openapi::{Object, types::Example};
use server_shared::value::{DecimalNumber, Key, LanguageTag, Line, Prose};

use super::{
    condition::{ConditionOp, FormCondition},
    item::{FieldItem, FormItem, GroupField, GroupItem, TextItem},
    score::{ScoreBand, ScoreInput, ScoreItem},
    signer::FormSigner,
};
use crate::domain::field::{FieldDefinition, FieldType};

/// Maximum number of items of a definition, those in groups counted.
pub(super) const MOST_ITEMS: usize = 1000;
/// Maximum number of scores of a definition.
pub(super) const MOST_SCORES: usize = 100;
/// Maximum number of answers that a form can have, one for each field of each entry.
pub(super) const MOST_ANSWERS: usize = 10_000;
/// Maximum number of conditions that an evaluation decides, each once for each entry.
pub(super) const MOST_CONDITIONS: usize = 20_000;
/// Key of the id of an entry, which no field of a group may have.
pub(super) const ENTRY_ID: &str = "id";

/// Definition of a form: sections of fields, repeated groups of fields, texts and scores.
///
/// Conditions decide what is visible or required. They settle together: a hidden item is not required, counts as
/// unanswered for every other condition, is treated by scores as each score states, and its answer is dropped when the
/// form is submitted. A definition whose conditions and scores depend on themselves is refused.
///
/// A definition has at most 1,000 items, those in groups counted, and at most 100 scores. Counted once for each entry
/// that a group may have, it has at most 10,000 fields and 20,000 conditions.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct FormDefinition {
    /// Language of all texts that are not in `translations`. A text without a translation is shown in it.
    pub(crate) language: LanguageTag,
    /// Sections in the order in which they are shown, at most 50.
    #[oai(validator(max_items = 50))]
    pub(crate) sections: Vec<FormSection>,
    /// Signatures that a form needs, in the order in which they are given, at most 10; none of them twice. If it is
    /// empty, a form needs one: of a specialist, with the meaning `completion`.
    #[oai(default, validator(max_items = 10))]
    pub(crate) signatures: Vec<FormSigner>,
}

/// Section of a form.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct FormSection {
    /// Key of the section, unique among the sections of the form.
    pub(crate) key: Key,
    /// Heading, 1 to 200 characters.
    pub(crate) label: Line<1, 200>,
    /// Explanation below the heading, 1 to 2,000 characters; absent if there is none.
    pub(crate) help: Option<Prose<1, 2000>>,
    /// Heading and explanation in other languages, at most 20.
    #[oai(default, validator(max_items = 20))]
    pub(crate) translations: Vec<FormTranslation>,
    /// Condition under which the section and its items are visible; absent if they always are.
    pub(crate) visible_if: Option<FormCondition>,
    /// Items in the order in which they are shown, at most 200.
    #[oai(validator(max_items = 200))]
    pub(crate) items: Vec<FormItem>,
}

/// Label and explanation of a section, group, score or band in another language.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct FormTranslation {
    /// Language of the texts, unique among the translations of the same thing and different from the form's language.
    pub(crate) language: LanguageTag,
    /// Label, 1 to 200 characters.
    pub(crate) label: Line<1, 200>,
    /// Explanation, 1 to 2,000 characters; absent if it is not translated. Bands have none.
    pub(crate) help: Option<Prose<1, 2000>>,
}

/// Text between fields in another language.
#[derive(Debug, Clone, Object)]
pub(crate) struct FormTextTranslation {
    /// Language of the text, unique among the translations of the same text and different from the form's language.
    pub(crate) language: LanguageTag,
    /// Text, 1 to 5,000 characters.
    pub(crate) text: Prose<1, 5000>,
}

impl FormDefinition {
    /// Returns all fields, those in groups included.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &FieldItem> {
        let items = self.sections.iter().flat_map(|section| &section.items);
        items.flat_map(|item| {
            let grouped = item.group.iter().flat_map(|group| &group.items).map(|field| &field.field);
            item.field.iter().chain(grouped)
        })
    }

    /// Returns the signatures that a form needs, at least one, in their order.
    pub(crate) fn signers(&self) -> &[FormSigner] {
        if self.signatures.is_empty() { &[FormSigner::USUAL] } else { &self.signatures }
    }
}

impl Example for FormDefinition {
    fn example() -> Self {
        let rating = |key: &'static str, label: &'static str| FormItem {
            field: Some(FieldItem::inline(defined(FieldType::Scale, label))),
            ..FormItem::empty(key)
        };
        let medication = GroupField {
            key: Key::from_static("name"),
            visible_if: None,
            field: FieldItem { required: true, ..FieldItem::inline(defined(FieldType::Text, "Name")) },
        };
        let advice = TextItem {
            text: Prose::from_static("Please tell the front desk about severe pain before your appointment."),
            translations: vec![FormTextTranslation {
                language: LanguageTag::from_static("de"),
                text: Prose::from_static("Bitte melden Sie starke Schmerzen vor dem Termin am Empfang."),
            }],
        };
        let severe = FormCondition {
            field: Some(Key::from_static("pain")),
            value: Some("7".into()),
            ..FormCondition::of(ConditionOp::GreaterOrEqual)
        };
        let section = FormSection {
            key: Key::from_static("today"),
            label: Line::from_static("Today"),
            help: None,
            translations: Vec::new(),
            visible_if: None,
            items: vec![
                rating("pain_at_rest", "Pain at rest"),
                rating("pain_in_motion", "Pain in motion"),
                FormItem { score: Some(pain_score()), ..FormItem::empty("pain") },
                FormItem { visible_if: Some(severe), text: Some(advice), ..FormItem::empty("advice") },
                FormItem {
                    group: Some(GroupItem {
                        label: Line::from_static("Medication"),
                        help: None,
                        translations: Vec::new(),
                        min_entries: 0,
                        max_entries: 20,
                        items: vec![medication],
                    }),
                    ..FormItem::empty("medication")
                },
            ],
        };
        Self { language: LanguageTag::from_static("en"), sections: vec![section], signatures: Vec::new() }
    }
}

fn defined(field_type: FieldType, label: &'static str) -> FieldDefinition {
    FieldDefinition {
        field_type,
        label: Line::from_static(label),
        help: None,
        unit: None,
        options: Vec::new(),
        validation: None,
        translations: Vec::new(),
        phi: true,
    }
}

fn pain_score() -> ScoreItem {
    let input = |key: &'static str| ScoreInput::of(Key::from_static(key));
    ScoreItem {
        may_miss: 1,
        decimals: 1,
        bands: vec![ScoreBand {
            key: Key::from_static("severe"),
            label: Line::from_static("Severe pain"),
            translations: Vec::new(),
            from: DecimalNumber::parse("7"),
            to: DecimalNumber::parse("10"),
        }],
        ..ScoreItem::mean("Pain today", vec![input("pain_at_rest"), input("pain_in_motion")])
    }
}
