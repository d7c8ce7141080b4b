//! Bounds of a definition as a whole: of what it shows, and of the work that an evaluation takes.

use crate::domain::{
    form_definition::{
        condition::FormCondition,
        item::{FieldItem, GroupItem},
        model::{FormDefinition, MOST_ANSWERS, MOST_CONDITIONS, MOST_ITEMS, MOST_SCORES},
    },
    rules::FieldFaults,
};

/// Numbers of things in a definition. Fields and conditions in a group count once for each entry that it may have.
#[derive(Default)]
struct Size {
    /// Items, those in groups counted once.
    items: usize,
    scores: usize,
    answers: usize,
    conditions: usize,
}

/// Adds a fault for each number that is out of bounds.
pub(super) fn check_size(definition: &FormDefinition, faults: &mut FieldFaults) {
    let size = Size::of(definition);
    if size.items == 0 {
        faults.add("/sections", "min_items", "must have at least 1 item in a section");
    }
    let each_entry = "those in groups counted once for each of max_entries";
    for (number, most, things) in [
        (size.items, MOST_ITEMS, "items, those in groups counted".to_owned()),
        (size.scores, MOST_SCORES, "scores".to_owned()),
        (size.answers, MOST_ANSWERS, format!("fields, {each_entry}")),
        (size.conditions, MOST_CONDITIONS, format!("conditions, {each_entry}")),
    ] {
        if number > most {
            faults.add("/sections", "max_items", format!("must have at most {most} {things}"));
        }
    }
}

impl Size {
    fn of(definition: &FormDefinition) -> Self {
        let mut size = Self::default();
        for section in &definition.sections {
            size.conditions += conditions(section.visible_if.as_ref());
            for item in &section.items {
                size.items += 1;
                size.scores += usize::from(item.score.is_some());
                size.conditions += conditions(item.visible_if.as_ref());
                if let Some(field) = &item.field {
                    size.add_field(field, 1);
                }
                if let Some(group) = &item.group {
                    size.add_group(group);
                }
            }
        }
        size
    }

    fn add_group(&mut self, group: &GroupItem) {
        let entries = usize::try_from(group.max_entries).unwrap_or_default();
        self.items += group.items.len();
        for item in &group.items {
            self.conditions += conditions(item.visible_if.as_ref()) * entries;
            self.add_field(&item.field, entries);
        }
    }

    fn add_field(&mut self, field: &FieldItem, entries: usize) {
        self.answers += entries;
        self.conditions += conditions(field.required_if.as_ref()) * entries;
    }
}

/// Returns the number of conditions in a condition, itself counted. The depth is bounded by that of a body.
fn conditions(condition: Option<&FormCondition>) -> usize {
    condition.map_or(0, |condition| 1 + condition.conditions.iter().map(|part| conditions(Some(part))).sum::<usize>())
}
