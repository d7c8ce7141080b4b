//! Definitions made ready for evaluation: every key is resolved, every operand has its type, and everything stands in
//! an order in which each condition and score finds what it reads already settled.

mod condition;
mod expression;
mod field;
mod operand;
mod order;
mod outline;
mod protection;
mod score;
mod signature;
mod size;
mod translation;

use std::collections::HashMap;

use server_shared::value::Key;

use self::{
    condition::{Conditions, Reads, Scope},
    expression::Expressions,
    order::sorted,
    outline::{GroupOutline, Outline, OutlinedItem, Target},
};
pub(super) use self::{
    expression::{Comparable, Expression, ExpressionId, Slot, Test, comparable},
    score::{InputRule, Points, ScoreRule},
};
use super::{
    condition::FormCondition,
    item::{FieldItem, FormItem, GroupItem},
    library::FieldLibrary,
    model::FormDefinition,
};
use crate::domain::{field::FieldDefinition, rules::FieldFaults};

/// Definition that has no fault, ready to check and evaluate answers any number of times.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// Sections in their order.
    pub(super) sections: Vec<SectionRule>,
    /// Items of all sections in their order, without those in groups.
    pub(super) items: Vec<ItemRule>,
    /// Places of the items by their keys.
    pub(super) by_key: HashMap<String, usize>,
    /// Sections and items, each after those that it depends on.
    pub(super) order: Vec<Node>,
    /// All conditions.
    pub(super) expressions: Expressions,
}

/// Section or item, by its place.
#[derive(Debug, Clone, Copy)]
pub(super) enum Node {
    Section(usize),
    Item(usize),
}

#[derive(Debug)]
pub(super) struct SectionRule {
    pub(super) key: Key,
    pub(super) visible_if: Option<ExpressionId>,
}

#[derive(Debug)]
pub(super) struct ItemRule {
    pub(super) key: Key,
    /// Place of its section.
    pub(super) section: usize,
    pub(super) visible_if: Option<ExpressionId>,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    Text,
    Field(Box<FieldRule>),
    Group(Box<GroupRule>),
    Score(Box<ScoreRule>),
}

#[derive(Debug)]
pub(super) struct FieldRule {
    pub(super) definition: FieldDefinition,
    pub(super) required: bool,
    pub(super) required_if: Option<ExpressionId>,
}

#[derive(Debug)]
pub(super) struct GroupRule {
    pub(super) min_entries: usize,
    pub(super) max_entries: usize,
    pub(super) fields: Vec<GroupFieldRule>,
    /// Places of the fields by their keys.
    pub(super) by_key: HashMap<String, usize>,
    /// Places of the fields, each after those that it depends on.
    pub(super) order: Vec<usize>,
}

#[derive(Debug)]
pub(super) struct GroupFieldRule {
    pub(super) key: Key,
    pub(super) visible_if: Option<ExpressionId>,
    pub(super) rule: FieldRule,
}

impl Compiled {
    /// Checks a definition and makes it ready. Returns all its faults, with pointers into the definition.
    pub(crate) fn build(definition: &FormDefinition, library: &impl FieldLibrary) -> Result<Self, FieldFaults> {
        let mut faults = FieldFaults::default();
        let outline = Outline::of(definition, library, &mut faults);
        let mut builder = Builder { outline: &outline, expressions: Expressions::default(), faults };
        let mut dependencies = Vec::with_capacity(definition.sections.len() + outline.items.len());
        let mut sections = Vec::with_capacity(definition.sections.len());
        for (index, section) in definition.sections.iter().enumerate() {
            let mut reads = Reads::default();
            let at = format!("/sections/{index}/visible_if");
            let visible_if = builder.condition(section.visible_if.as_ref(), &at, None, &mut reads);
            sections.push(SectionRule { key: section.key.clone(), visible_if });
            dependencies.push(nodes(&reads.outer, definition.sections.len()));
        }
        let mut items = Vec::with_capacity(outline.items.len());
        for outlined in &outline.items {
            let mut reads = Reads::default();
            items.extend(builder.item(outlined, &mut reads));
            let mut needed = nodes(&reads.outer, definition.sections.len());
            needed.push(outlined.section);
            dependencies.push(needed);
        }
        let (order, cycles) = sorted(&dependencies);
        for cycle in cycles {
            builder.cycle(definition, &cycle);
        }
        let Builder { expressions, faults, .. } = builder;
        if !faults.list().is_empty() {
            return Err(faults);
        }
        let count = sections.len();
        let node = |node: usize| if node < count { Node::Section(node) } else { Node::Item(node - count) };
        let by_key = places(items.iter().map(|item: &ItemRule| &item.key));
        Ok(Self { sections, items, by_key, order: order.into_iter().map(node).collect(), expressions })
    }

    /// Returns the definition of a field outside of groups; `None` for any other key.
    pub(crate) fn field(&self, key: &Key) -> Option<&FieldDefinition> {
        match &self.items.get(*self.by_key.get(key.as_str())?)?.content {
            Content::Field(rule) => Some(&rule.definition),
            Content::Group(_) | Content::Score(_) | Content::Text => None,
        }
    }
}

/// Returns the places of keys; of a repeated key the first.
fn places<'k>(keys: impl Iterator<Item = &'k Key>) -> HashMap<String, usize> {
    let mut places = HashMap::new();
    for (place, key) in keys.enumerate() {
        places.entry(key.as_str().to_owned()).or_insert(place);
    }
    places
}

/// Returns the nodes of items, which follow those of the `sections`.
fn nodes(items: &[usize], sections: usize) -> Vec<usize> {
    let mut nodes: Vec<usize> = items.iter().map(|item| item + sections).collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes
}

struct Builder<'o, 'a> {
    outline: &'o Outline<'a>,
    expressions: Expressions,
    faults: FieldFaults,
}

impl<'a> Builder<'_, 'a> {
    /// Compiles a condition, if there is one.
    fn condition(
        &mut self,
        condition: Option<&FormCondition>,
        at: &str,
        group: Option<&GroupOutline<'a>>,
        reads: &mut Reads,
    ) -> Option<ExpressionId> {
        let scope = Scope { outline: self.outline, group };
        Conditions::new(scope, &mut self.expressions, reads, &mut self.faults).compile(condition?, at)
    }

    /// Compiles an item; `None` if it has a fault. Collects everything that decides its visibility and its score;
    /// conditions of being required decide neither.
    fn item(&mut self, outlined: &OutlinedItem<'a>, reads: &mut Reads) -> Option<ItemRule> {
        let FormItem { key, visible_if, .. } = outlined.item;
        let at = outlined.at.as_str();
        let visible_if = self.condition(visible_if.as_ref(), &format!("{at}/visible_if"), None, reads);
        let content = match (&outlined.target, outlined.item) {
            (Target::Text, _) => Content::Text,
            (Target::Field(definition), FormItem { field: Some(field), .. }) => {
                Content::Field(Box::new(self.field(field, *definition, &format!("{at}/field"), None)?))
            }
            (Target::Group(group), FormItem { group: Some(item), .. }) => {
                Content::Group(Box::new(self.group(item, group, &format!("{at}/group"))?))
            }
            (Target::Score, FormItem { score: Some(score), .. }) => {
                let rule = score::compile(score, &format!("{at}/score"), self.outline, &mut self.faults);
                reads.outer.extend(rule.inputs.iter().map(|input| input.item));
                Content::Score(Box::new(rule))
            }
            _ => return None,
        };
        Some(ItemRule { key: key.clone(), section: outlined.section, visible_if, content })
    }

    fn field(
        &mut self,
        field: &FieldItem,
        definition: Option<&FieldDefinition>,
        at: &str,
        group: Option<&GroupOutline<'a>>,
    ) -> Option<FieldRule> {
        let at = format!("{at}/required_if");
        let required_if = self.condition(field.required_if.as_ref(), &at, group, &mut Reads::default());
        Some(FieldRule { definition: definition?.clone(), required: field.required, required_if })
    }

    fn group(&mut self, item: &GroupItem, group: &GroupOutline<'a>, at: &str) -> Option<GroupRule> {
        let mut dependencies = Vec::with_capacity(item.items.len());
        let mut fields = Vec::with_capacity(item.items.len());
        for (place, field) in item.items.iter().enumerate() {
            let at = format!("{at}/items/{place}");
            // Entries are evaluated last, so what they read outside of the group needs no order.
            let mut inner = Reads::default();
            let pointer = format!("{at}/visible_if");
            let visible_if = self.condition(field.visible_if.as_ref(), &pointer, Some(group), &mut inner);
            let definition = group.fields.get(place).copied().flatten();
            let rule = self.field(&field.field, definition, &format!("{at}/field"), Some(group));
            dependencies.push(nodes(&inner.inner, 0));
            fields.extend(rule.map(|rule| GroupFieldRule { key: field.key.clone(), visible_if, rule }));
        }
        let (order, cycles) = sorted(&dependencies);
        for cycle in cycles {
            let names: Vec<&str> = cycle.iter().map(|place| item.items[*place].key.as_str()).collect();
            let pointer = format!("{at}/items/{}/visible_if", cycle.first().copied().unwrap_or_default());
            self.faults.add(pointer, "cycle", cycle_message(&names));
        }
        // A field with a fault is left out, so that the places no longer fit.
        if fields.len() < item.items.len() {
            return None;
        }
        let bound = |entries: i32| usize::try_from(entries).unwrap_or_default();
        Some(GroupRule {
            min_entries: bound(item.min_entries),
            max_entries: bound(item.max_entries),
            by_key: places(fields.iter().map(|field: &GroupFieldRule| &field.key)),
            fields,
            order,
        })
    }

    /// Adds the fault of sections and items that depend on each other in a circle.
    fn cycle(&mut self, definition: &FormDefinition, cycle: &[usize]) {
        let sections = definition.sections.len();
        let name = |node: &usize| match node.checked_sub(sections) {
            Some(place) => self.outline.items[place].item.key.as_str().to_owned(),
            None => format!("section {}", definition.sections[*node].key.as_str()),
        };
        let names: Vec<String> = cycle.iter().map(name).collect();
        // Each depends on the one after it: by an input, by its section, or by its condition.
        let pointer = |(node, next): (&usize, &usize)| {
            let Some(place) = node.checked_sub(sections) else { return Some(format!("/sections/{node}/visible_if")) };
            let needed = self.outline.items[next.checked_sub(sections)?].item;
            let OutlinedItem { at, item, .. } = &self.outline.items[place];
            let mut inputs = item.score.iter().flat_map(|score| &score.inputs);
            let is_input = inputs.any(|input| input.key == needed.key);
            Some(if is_input { format!("{at}/score/inputs") } else { format!("{at}/visible_if") })
        };
        let pointer = cycle.iter().zip(cycle.iter().cycle().skip(1)).find_map(pointer).unwrap_or_default();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.faults.add(pointer, "cycle", cycle_message(&names));
    }
}

/// Maximum number of keys that the message of a cycle names.
const NAMED: usize = 20;

fn cycle_message(names: &[&str]) -> String {
    let mut path = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(" → ");
    if names.len() > NAMED {
        path = format!("{path} → … ({} more)", names.len() - NAMED);
    }
    let first = names.first().copied().unwrap_or_default();
    format!("must not depend on itself: {path} → {first}")
}
