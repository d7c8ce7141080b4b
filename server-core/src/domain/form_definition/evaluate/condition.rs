//! Values of conditions.

use std::cell::OnceCell;

use rust_decimal::Decimal;

use super::{Evaluation, State};
use crate::domain::{
    field::FieldValue,
    form_definition::{
        answers::Answers,
        compile::{Comparable, Compiled, Content, Expression, ExpressionId, Slot, Test, comparable},
    },
};

/// Everything that a condition sees. The states of what it reads are settled already.
#[derive(Clone, Copy)]
pub(super) struct Sight<'e> {
    pub(super) compiled: &'e Compiled,
    pub(super) answers: &'e Answers,
    /// Texts of the answers outside of groups, once they are folded.
    pub(super) folded: &'e [OnceCell<String>],
    pub(super) evaluation: &'e Evaluation,
    /// Entry that the condition is in.
    pub(super) entry: Option<Entry<'e>>,
}

/// Entry of a group, with the states of its fields.
#[derive(Clone, Copy)]
pub(super) struct Entry<'e> {
    pub(super) values: &'e [Option<FieldValue>],
    pub(super) states: &'e [State],
    /// Texts of the values, once they are folded.
    pub(super) folded: &'e [OnceCell<String>],
}

/// Value that a condition tests.
enum Seen<'e> {
    Missing,
    /// Answer, and the place of its folded text.
    Value(&'e FieldValue, &'e OnceCell<String>),
    Number(Decimal),
    /// Number of the entries of a group.
    Entries(usize),
}

impl<'e> Sight<'e> {
    /// Returns `true` if the condition holds. Its depth is bounded by that of the definition.
    pub(super) fn holds(&self, id: ExpressionId) -> bool {
        match self.compiled.expressions.get(id) {
            Expression::And(parts) => parts.iter().all(|part| self.holds(*part)),
            Expression::Or(parts) => parts.iter().any(|part| self.holds(*part)),
            Expression::Not(part) => !self.holds(*part),
            Expression::Test(slot, test) => passes(&self.seen(*slot), test),
        }
    }

    fn seen(&self, slot: Slot) -> Seen<'e> {
        match slot {
            Slot::Inner(place) => {
                let visible = self.entry.filter(|entry| entry.states[place].visible);
                let given = visible.and_then(|entry| Some((entry.values[place].as_ref()?, &entry.folded[place])));
                given.map_or(Seen::Missing, |(value, folded)| Seen::Value(value, folded))
            }
            Slot::Outer(place) => {
                let visible = self.evaluation.items[place].visible;
                match &self.compiled.items[place].content {
                    Content::Group(_) if visible => Seen::Entries(self.answers.entries(place).len()),
                    Content::Group(_) => Seen::Entries(0),
                    Content::Field(_) if visible => {
                        let value = self.answers.value(place);
                        value.map_or(Seen::Missing, |value| Seen::Value(value, &self.folded[place]))
                    }
                    Content::Score(_) => {
                        let score = self.evaluation.scores[place].as_ref().and_then(super::ScoreOutcome::value);
                        score.map_or(Seen::Missing, Seen::Number)
                    }
                    Content::Field(_) | Content::Text => Seen::Missing,
                }
            }
        }
    }
}

fn passes(seen: &Seen<'_>, test: &Test) -> bool {
    if let Test::IsEmpty = test {
        return matches!(seen, Seen::Missing | Seen::Entries(0));
    }
    if let (Seen::Value(FieldValue::Choices(chosen), _), Test::Contains(Comparable::Choice(option))) = (seen, test) {
        return chosen.iter().any(|chosen| chosen == option);
    }
    let value = match seen {
        Seen::Missing => None,
        Seen::Value(value, folded) => comparable(value, folded),
        Seen::Number(number) => Some(Comparable::Number(*number)),
        Seen::Entries(count) => Some(Comparable::Number(Decimal::from(*count))),
    };
    let Some(value) = value else { return false };
    match test {
        Test::Equals(operand) => value == *operand,
        Test::NotEquals(operand) => value != *operand,
        Test::Less(operand) => value < *operand,
        Test::LessOrEqual(operand) => value <= *operand,
        Test::Greater(operand) => value > *operand,
        Test::GreaterOrEqual(operand) => value >= *operand,
        Test::In(operands) => operands.contains(&value),
        Test::Contains(operand) => match (&value, operand) {
            (Comparable::Text(whole), Comparable::Text(part)) => whole.contains(part.as_ref()),
            _ => false,
        },
        Test::IsEmpty => false,
    }
}
