//! Evaluation of answers: a single pass in the order of the definition settles what is visible, required and scored.

mod condition;
mod result;
mod score;

use std::cell::OnceCell;

#[cfg(test)]
pub(crate) use self::result::ScoreState;
pub(crate) use self::result::{FormEvaluation, FormScoreResult};
pub(super) use self::score::ScoreOutcome;
use self::{
    condition::{Entry, Sight},
    score::compute,
};
use super::{
    answers::{AnswerEntry, Answers},
    compile::{Compiled, Content, ExpressionId, FieldRule, GroupRule, Node},
};

/// State of everything in a form for some answers, by the places of the items.
#[derive(Debug)]
pub(crate) struct Evaluation {
    /// `true` for visible sections.
    pub(super) sections: Vec<bool>,
    /// States of the items.
    pub(super) items: Vec<State>,
    /// States of the fields in each entry of each group; empty for other items.
    pub(super) entries: Vec<Vec<Vec<State>>>,
    /// Places of these entries in the lists that were read, from which those with faults are left out.
    pub(super) sent: Vec<Vec<usize>>,
    /// Outcomes of the scores; `None` for other items.
    pub(super) scores: Vec<Option<ScoreOutcome>>,
}

/// State of an item.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct State {
    /// `true` if it and everything around it is visible.
    pub(super) visible: bool,
    /// `true` if it is visible and the form can't be submitted without an answer.
    pub(super) required: bool,
    /// `true` if an answer is required and not given.
    pub(super) missing: bool,
}

impl Compiled {
    /// Works out what answers make visible, required and scored.
    pub(crate) fn evaluate(&self, answers: &Answers) -> Evaluation {
        let mut evaluation = Evaluation {
            sections: vec![false; self.sections.len()],
            items: vec![State::default(); self.items.len()],
            entries: vec![Vec::new(); self.items.len()],
            sent: vec![Vec::new(); self.items.len()],
            scores: vec![None; self.items.len()],
        };
        // A long text may be compared thousands of times.
        let folded = unfolded(self.items.len());
        let holds = |condition: Option<ExpressionId>, evaluation: &Evaluation| {
            let sight = Sight { compiled: self, answers, folded: &folded, evaluation, entry: None };
            condition.is_none_or(|id| sight.holds(id))
        };
        for node in &self.order {
            match *node {
                Node::Section(place) => {
                    evaluation.sections[place] = holds(self.sections[place].visible_if, &evaluation);
                }
                Node::Item(place) => {
                    let item = &self.items[place];
                    let visible = evaluation.sections[item.section] && holds(item.visible_if, &evaluation);
                    evaluation.items[place].visible = visible;
                    if let Content::Score(rule) = &item.content {
                        let outcome = if visible { compute(rule, answers, &evaluation) } else { ScoreOutcome::Hidden };
                        evaluation.scores[place] = Some(outcome);
                    }
                }
            }
        }
        // Nothing depends on what follows.
        for (place, item) in self.items.iter().enumerate() {
            let visible = evaluation.items[place].visible;
            match &item.content {
                Content::Field(rule) if visible => {
                    let sight =
                        Sight { compiled: self, answers, folded: &folded, evaluation: &evaluation, entry: None };
                    evaluation.items[place] = required(rule, answers.value(place).is_some(), &sight);
                }
                Content::Group(rule) => {
                    let entries = answers.entries(place);
                    evaluation.sent[place] = entries.iter().map(|entry| entry.index).collect();
                    if visible {
                        let missing = entries.len() < rule.min_entries;
                        evaluation.items[place] = State { visible, required: rule.min_entries > 0, missing };
                    }
                    evaluation.entries[place] = if visible {
                        let sight =
                            Sight { compiled: self, answers, folded: &folded, evaluation: &evaluation, entry: None };
                        let states = |entry| evaluate_entry(rule, entry, sight);
                        entries.iter().map(states).collect()
                    } else {
                        vec![vec![State::default(); rule.fields.len()]; entries.len()]
                    };
                }
                Content::Field(_) | Content::Score(_) | Content::Text => {}
            }
        }
        evaluation
    }
}

/// Works out the states of an entry's fields; `outer` is the sight of everything outside of groups.
fn evaluate_entry(rule: &GroupRule, entry: &AnswerEntry, outer: Sight<'_>) -> Vec<State> {
    let folded = unfolded(rule.fields.len());
    let mut states = vec![State::default(); rule.fields.len()];
    for &place in &rule.order {
        let entry = Some(Entry { values: &entry.values, states: &states, folded: &folded });
        let sight = Sight { entry, ..outer };
        states[place].visible = rule.fields[place].visible_if.is_none_or(|id| sight.holds(id));
    }
    let settled = states.clone();
    let entry_seen = Some(Entry { values: &entry.values, states: &settled, folded: &folded });
    let sight = Sight { entry: entry_seen, ..outer };
    for (place, field) in rule.fields.iter().enumerate().filter(|(place, _)| settled[*place].visible) {
        states[place] = required(&field.rule, entry.values[place].is_some(), &sight);
    }
    states
}

/// Returns places for folded texts, of which none is folded yet.
fn unfolded(count: usize) -> Vec<OnceCell<String>> {
    vec![OnceCell::new(); count]
}

/// Returns the state of a visible field.
fn required(rule: &FieldRule, is_given: bool, sight: &Sight<'_>) -> State {
    let required = rule.required || rule.required_if.is_some_and(|id| sight.holds(id));
    State { visible: true, required, missing: required && !is_given }
}
