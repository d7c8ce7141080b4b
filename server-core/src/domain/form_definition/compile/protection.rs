//! Scores that are protected health information, and answers that tell something of it by being there.

use std::collections::BTreeSet;

use server_shared::value::Key;

use super::{Compiled, Content, Expression, ExpressionId, GroupRule, ItemRule, Node, Slot};

impl Compiled {
    /// Returns each score's key, and `true` if the score is protected health information: if an input is, or if a
    /// protected answer decides about the visibility of an input or of the score, unless the score's key is among
    /// `cleared`. A score of a cleared score is no more protected than that one.
    pub(crate) fn scores(&self, cleared: &[Key]) -> Vec<(&Key, bool)> {
        let (_, items) = self.telling(cleared);
        let scores = self.items.iter().zip(items).filter(|(item, _)| matches!(item.content, Content::Score(_)));
        scores.map(|(item, phi)| (&item.key, phi)).collect()
    }

    /// Returns for each item, and for each field of a group, `true` if a protected answer decides about its visibility,
    /// so that an answer to it tells something of that one by being there. Scores that `cleared` names protect nothing.
    pub(in crate::domain::form_definition) fn shown_by_protected(&self, cleared: &[Key]) -> Vec<(bool, Vec<bool>)> {
        let (sections, items) = self.telling(cleared);
        let shown = |item: &ItemRule| {
            let fields = match &item.content {
                Content::Group(group) => self.fields_shown_by_protected(group, &items),
                Content::Field(_) | Content::Score(_) | Content::Text => Vec::new(),
            };
            (sections[item.section] || self.tells(item.visible_if, &items, &[]), fields)
        };
        self.items.iter().map(shown).collect()
    }

    /// Returns the keys of the items that [`Compiled::shown_by_protected`] names, without those in groups.
    pub(crate) fn keys_shown_by_protected(&self, cleared: &[Key]) -> BTreeSet<&str> {
        let items = self.items.iter().zip(self.shown_by_protected(cleared));
        items.filter(|(_, (is_shown, _))| *is_shown).map(|(item, _)| item.key.as_str()).collect()
    }

    fn fields_shown_by_protected(&self, group: &GroupRule, items: &[bool]) -> Vec<bool> {
        let (mut shown, mut fields) = (vec![false; group.fields.len()], vec![false; group.fields.len()]);
        for place in group.order.iter().copied() {
            let field = &group.fields[place];
            shown[place] = self.tells(field.visible_if, items, &fields);
            fields[place] = shown[place] || field.rule.definition.phi;
        }
        shown
    }

    /// Returns for each section and each item `true` if it tells something of a protected answer, be it by being there.
    fn telling(&self, cleared: &[Key]) -> (Vec<bool>, Vec<bool>) {
        let (mut sections, mut items) = (vec![false; self.sections.len()], vec![false; self.items.len()]);
        for node in &self.order {
            match *node {
                Node::Section(place) => sections[place] = self.tells(self.sections[place].visible_if, &items, &[]),
                Node::Item(place) => {
                    let item = &self.items[place];
                    let told = match &item.content {
                        Content::Field(field) => field.definition.phi,
                        Content::Group(group) => group.fields.iter().any(|field| field.rule.definition.phi),
                        Content::Score(score) => score.inputs.iter().any(|input| items[input.item]),
                        Content::Text => false,
                    };
                    let is_cleared = matches!(item.content, Content::Score(_)) && cleared.contains(&item.key);
                    items[place] =
                        !is_cleared && (told || sections[item.section] || self.tells(item.visible_if, &items, &[]));
                }
            }
        }
        (sections, items)
    }

    /// Returns `true` if a condition reads one of the items, or of the fields of its group, that tell something of a
    /// protected answer.
    fn tells(&self, condition: Option<ExpressionId>, items: &[bool], fields: &[bool]) -> bool {
        condition.is_some_and(|id| match self.expressions.get(id) {
            Expression::And(parts) | Expression::Or(parts) => {
                parts.iter().any(|part| self.tells(Some(*part), items, fields))
            }
            Expression::Not(part) => self.tells(Some(*part), items, fields),
            Expression::Test(Slot::Outer(place), _) => items[*place],
            Expression::Test(Slot::Inner(place), _) => fields[*place],
        })
    }
}
