//! Scores that are protected health information.

use server_shared::value::Key;

use super::{Compiled, Content, Expression, ExpressionId, Node, Slot};

impl Compiled {
    /// Returns each score's key, and `true` if the score is protected health information: if an input is, or if a
    /// protected answer decides about the visibility of an input or of the score, unless the score's key is among
    /// `cleared`. A score of a cleared score is no more protected than that one.
    pub(crate) fn scores(&self, cleared: &[Key]) -> Vec<(&Key, bool)> {
        // Sections and items that tell something of a protected answer, be it by being there.
        let (mut sections, mut items) = (vec![false; self.sections.len()], vec![false; self.items.len()]);
        for node in &self.order {
            match *node {
                Node::Section(place) => sections[place] = self.tells(self.sections[place].visible_if, &items),
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
                        !is_cleared && (told || sections[item.section] || self.tells(item.visible_if, &items));
                }
            }
        }
        let scores = self.items.iter().zip(items).filter(|(item, _)| matches!(item.content, Content::Score(_)));
        scores.map(|(item, phi)| (&item.key, phi)).collect()
    }

    /// Returns `true` if a condition outside of groups reads an item that tells something of a protected answer.
    fn tells(&self, condition: Option<ExpressionId>, items: &[bool]) -> bool {
        condition.is_some_and(|id| match self.expressions.get(id) {
            Expression::And(parts) | Expression::Or(parts) => parts.iter().any(|part| self.tells(Some(*part), items)),
            Expression::Not(part) => self.tells(Some(*part), items),
            Expression::Test(Slot::Outer(place), _) => items[*place],
            Expression::Test(Slot::Inner(_), _) => false,
        })
    }
}
