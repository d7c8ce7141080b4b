//! Items of a definition by their keys, with the definitions of their fields.

use std::collections::{BTreeSet, HashMap};

use server_shared::value::Key;

use super::{
    field,
    signature::check_signatures,
    size::check_size,
    translation::{check_texts, check_translations},
};
use crate::{
    domain::{
        field::FieldDefinition,
        form_definition::{
            item::{FormItem, GroupItem},
            library::FieldLibrary,
            model::{ENTRY_ID, FormDefinition},
        },
        rules::FieldFaults,
    },
    ids::CustomFieldId,
};

/// All items of a definition.
pub(super) struct Outline<'a> {
    /// Items outside of groups, in their order.
    pub(super) items: Vec<OutlinedItem<'a>>,
    /// Their places; of a repeated key the first.
    names: HashMap<&'a str, usize>,
    /// Custom fields that answers are written back to.
    written_back: BTreeSet<CustomFieldId>,
}

pub(super) struct OutlinedItem<'a> {
    /// Pointer to the item.
    pub(super) at: String,
    /// Place of its section.
    pub(super) section: usize,
    pub(super) item: &'a FormItem,
    pub(super) target: Target<'a>,
}

/// Thing that a key stands for.
pub(super) enum Target<'a> {
    /// Field with its definition; without one if it has a fault.
    Field(Option<&'a FieldDefinition>),
    Group(GroupOutline<'a>),
    Score,
    Text,
    /// Item of which its author has yet to say what it is.
    Unclear,
}

/// Fields of a group.
pub(super) struct GroupOutline<'a> {
    /// Definitions of the fields, in their order.
    pub(super) fields: Vec<Option<&'a FieldDefinition>>,
    names: HashMap<&'a str, usize>,
}

impl Outline<'_> {
    /// Returns the place of an item outside of groups.
    pub(super) fn place(&self, key: &Key) -> Option<usize> {
        self.names.get(key.as_str()).copied()
    }
}

impl GroupOutline<'_> {
    /// Returns the place of a field of the group.
    pub(super) fn place(&self, key: &Key) -> Option<usize> {
        self.names.get(key.as_str()).copied()
    }
}

impl<'a> Outline<'a> {
    /// Lists the items and adds the faults of everything but conditions and scores.
    pub(super) fn of(definition: &'a FormDefinition, library: &'a impl FieldLibrary, faults: &mut FieldFaults) -> Self {
        let mut outline = Self { items: Vec::new(), names: HashMap::new(), written_back: BTreeSet::new() };
        let mut sections = BTreeSet::new();
        for (index, section) in definition.sections.iter().enumerate() {
            let at = format!("/sections/{index}");
            if !sections.insert(section.key.as_str()) {
                faults.add(format!("{at}/key"), "repeated", "is the key of another section");
            }
            let has_help = section.help.is_some();
            check_translations(&section.translations, has_help, &definition.language, &at, faults);
            for (place, item) in section.items.iter().enumerate() {
                outline.add(definition, index, item, format!("{at}/items/{place}"), library, faults);
            }
        }
        check_signatures(definition, faults);
        check_size(definition, faults);
        outline
    }

    fn add(
        &mut self,
        definition: &'a FormDefinition,
        section: usize,
        item: &'a FormItem,
        at: String,
        library: &'a impl FieldLibrary,
        faults: &mut FieldFaults,
    ) {
        let place = self.items.len();
        if *self.names.entry(item.key.as_str()).or_insert(place) != place {
            faults.add(format!("{at}/key"), "repeated", "is the key of another item");
        }
        let language = &definition.language;
        let target = match (&item.field, &item.group, &item.text, &item.score) {
            (Some(field), None, None, None) => {
                let pinned = field.custom_field.filter(|_| field.write_back);
                if pinned.is_some_and(|pinned| !self.written_back.insert(pinned.id)) {
                    let message = "is given by another field of the same custom field, which can have one value only";
                    faults.add(format!("{at}/field/write_back"), "repeated", message);
                }
                Target::Field(field::resolve(field, library, &format!("{at}/field"), false, faults))
            }
            (None, Some(group), None, None) => {
                let at = format!("{at}/group");
                check_translations(&group.translations, group.help.is_some(), language, &at, faults);
                Target::Group(group_outline(group, library, &at, faults))
            }
            (None, None, Some(text), None) => {
                check_texts(&text.translations, language, &format!("{at}/text"), faults);
                Target::Text
            }
            (None, None, None, Some(score)) => {
                let at = format!("{at}/score");
                check_translations(&score.translations, score.help.is_some(), language, &at, faults);
                for (index, band) in score.bands.iter().enumerate() {
                    check_translations(&band.translations, false, language, &format!("{at}/bands/{index}"), faults);
                }
                Target::Score
            }
            _ => {
                faults.add(&*at, "one_of", "must have exactly one of field, group, text and score");
                Target::Unclear
            }
        };
        self.items.push(OutlinedItem { at, section, item, target });
    }
}

fn group_outline<'a>(
    group: &'a GroupItem,
    library: &'a impl FieldLibrary,
    at: &str,
    faults: &mut FieldFaults,
) -> GroupOutline<'a> {
    if group.min_entries > group.max_entries {
        faults.add(format!("{at}/min_entries"), "range", "must not be greater than max_entries");
    }
    let mut names = HashMap::new();
    let mut fields = Vec::with_capacity(group.items.len());
    for (place, field) in group.items.iter().enumerate() {
        let at = format!("{at}/items/{place}");
        if field.key.as_str() == ENTRY_ID {
            faults.add(format!("{at}/key"), "reserved", "is reserved for the id of an entry");
        }
        if *names.entry(field.key.as_str()).or_insert(place) != place {
            faults.add(format!("{at}/key"), "repeated", "is the key of another field of the group");
        }
        fields.push(field::resolve(&field.field, library, &format!("{at}/field"), true, faults));
    }
    GroupOutline { fields, names }
}
