use std::collections::BTreeMap;

use poem_openapi::{Enum, Object};
use serde_json::Value;
use server_shared::{
    error::{FAULTS_LISTED, FieldFault},
    value::{DecimalNumber, Key},
};
use uuid::Uuid;

use super::{Evaluation, ScoreOutcome, State};
use crate::domain::{
    form_definition::{
        answers::Answers,
        compile::{Compiled, Content, SectionRule},
    },
    rules::FieldFaults,
};

/// Evaluation of answers: everything that a form shows, requires and computes for them.
#[derive(Debug, Clone, Object)]
pub(crate) struct FormEvaluation {
    /// Sections in their order.
    pub(crate) sections: Vec<FormSectionState>,
    /// Items in their order; after a group, the fields of its entries, entry by entry.
    pub(crate) items: Vec<FormItemState>,
    /// Scores in the order of their items.
    pub(crate) scores: Vec<FormScoreResult>,
    /// JSON pointers to answers of hidden fields, which are dropped when the form is submitted; the entries of a hidden
    /// group are named once.
    pub(crate) hidden_answers: Vec<String>,
    /// Faults of the answers, at most 100. An answer with a fault counts as missing.
    pub(crate) faults: Vec<AnswerFault>,
    /// Answers that are required and missing, at most 100. Pointers name entries of groups by their index; submitting the
    /// form names them by their ids.
    pub(crate) missing_answers: Vec<AnswerFault>,
    /// Answers as submitting the form would keep them: each in its one form, without those that are faulty or hidden.
    pub(crate) kept_answers: BTreeMap<String, Value>,
}

impl FormEvaluation {
    /// Returns the evaluation of a form without items.
    pub(crate) fn empty() -> Self {
        Self {
            sections: Vec::new(),
            items: Vec::new(),
            scores: Vec::new(),
            hidden_answers: Vec::new(),
            faults: Vec::new(),
            missing_answers: Vec::new(),
            kept_answers: BTreeMap::new(),
        }
    }
}

/// State of a section.
#[derive(Debug, Clone, Object)]
pub(crate) struct FormSectionState {
    /// Key of the section.
    pub(crate) key: Key,
    /// `true` if the section is visible.
    pub(crate) visible: bool,
}

/// State of an item, or of a field in an entry of a group.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct FormItemState {
    /// Key of the item or field.
    pub(crate) key: Key,
    /// Key of the group that the field is in; absent for items outside of groups.
    pub(crate) group: Option<Key>,
    /// Id of the entry that the field is in; absent for items outside of groups.
    pub(crate) entry: Option<Uuid>,
    /// `true` if the item is visible.
    pub(crate) visible: bool,
    /// `true` if the item is visible and the form can't be submitted without an answer to it; for a group, without any
    /// entry.
    pub(crate) required: bool,
    /// `true` if an answer is required and missing; for a group, if it has too few entries.
    pub(crate) missing: bool,
}

/// Result of a score.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct FormScoreResult {
    /// Key of the score.
    pub(crate) key: Key,
    /// State of the score.
    pub(crate) state: ScoreState,
    /// Rounded score; absent unless `state` is `scored`.
    pub(crate) value: Option<DecimalNumber>,
    /// Key of the band that the score is in; absent if it is in none.
    pub(crate) band: Option<Key>,
}

/// State of a score.
///
/// - `scored`: there is a score
/// - `missing`: more answers are missing than may be, or all are
/// - `hidden`: the score is hidden
/// - `not_applicable`: every input is hidden and excluded
/// - `out_of_range`: the result has more than 18 digits before the point
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum ScoreState {
    /// There is a score.
    Scored,
    /// Too many answers are missing.
    Missing,
    /// The score is hidden.
    Hidden,
    /// Every input is hidden.
    NotApplicable,
    /// The result has too many digits.
    OutOfRange,
}

/// Fault of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub(crate) struct AnswerFault {
    /// JSON pointer to the answer.
    pub(crate) pointer: String,
    /// Name of the broken rule, e.g. `type`.
    pub(crate) rule: String,
    /// Description of a valid answer, for people.
    pub(crate) message: String,
}

impl From<&FieldFault> for AnswerFault {
    fn from(fault: &FieldFault) -> Self {
        Self { pointer: fault.pointer.clone(), rule: fault.rule.clone().into_owned(), message: fault.message.clone() }
    }
}

impl Compiled {
    /// Describes an evaluation of answers that were read with these `faults`, with pointers below `at`.
    pub(crate) fn report(
        &self,
        answers: &Answers,
        evaluation: &Evaluation,
        at: &str,
        faults: &FieldFaults,
    ) -> FormEvaluation {
        let sections = self.sections.iter().zip(&evaluation.sections);
        let section =
            |(rule, visible): (&SectionRule, &bool)| FormSectionState { key: rule.key.clone(), visible: *visible };
        let mut items = Vec::with_capacity(self.items.len());
        for (place, item) in self.items.iter().enumerate() {
            items.push(state(&item.key, None, evaluation.items[place]));
            let Content::Group(group) = &item.content else { continue };
            for (entry, states) in answers.entries(place).iter().zip(&evaluation.entries[place]) {
                let within = Some((&item.key, entry.id));
                items.extend(group.fields.iter().zip(states).map(|(field, given)| state(&field.key, within, *given)));
            }
        }
        let mut missing = FieldFaults::default();
        self.require(evaluation, at, &mut missing);
        FormEvaluation {
            sections: sections.map(section).collect(),
            items,
            scores: self.score_results(evaluation),
            hidden_answers: self.hidden_answers(answers, evaluation, at),
            faults: listed(faults),
            missing_answers: listed(&missing),
            kept_answers: self.write(answers, Some(evaluation)).into_iter().collect(),
        }
    }

    /// Returns the results of the scores in the order of their items.
    pub(crate) fn score_results(&self, evaluation: &Evaluation) -> Vec<FormScoreResult> {
        let scores = self.items.iter().zip(&evaluation.scores);
        scores.filter_map(|(item, outcome)| Some(result(&item.key, outcome.as_ref()?))).collect()
    }

    /// Adds a fault for each answer that is required and missing, with pointers below `at` into what was read.
    pub(crate) fn require(&self, evaluation: &Evaluation, at: &str, faults: &mut FieldFaults) {
        self.missing(evaluation, at, |place, entry| evaluation.sent[place][entry].to_string(), faults);
    }

    /// Adds these faults; `name` returns the name of an entry by the places of its group and of the entry itself.
    pub(in crate::domain::form_definition) fn missing(
        &self,
        evaluation: &Evaluation,
        at: &str,
        name: impl Fn(usize, usize) -> String,
        faults: &mut FieldFaults,
    ) {
        for (place, item) in self.items.iter().enumerate() {
            let key = item.key.as_str();
            match &item.content {
                Content::Field(_) if evaluation.items[place].missing => {
                    faults.add(format!("{at}/{key}"), "required", "is required");
                }
                Content::Group(group) => {
                    if evaluation.items[place].missing {
                        let message = format!("must have at least {} entries", group.min_entries);
                        faults.add(format!("{at}/{key}"), "min_items", message);
                    }
                    for (entry, states) in evaluation.entries[place].iter().enumerate() {
                        for (field, _) in group.fields.iter().zip(states).filter(|(_, state)| state.missing) {
                            let pointer = format!("{at}/{key}/{}/{}", name(place, entry), field.key.as_str());
                            faults.add(pointer, "required", "is required");
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn hidden_answers(&self, answers: &Answers, evaluation: &Evaluation, at: &str) -> Vec<String> {
        let mut hidden = Vec::new();
        for (place, item) in self.items.iter().enumerate() {
            let key = item.key.as_str();
            let entries = answers.entries(place);
            if !evaluation.items[place].visible {
                if answers.value(place).is_some() || !entries.is_empty() {
                    hidden.push(format!("{at}/{key}"));
                }
                continue;
            }
            let Content::Group(group) = &item.content else { continue };
            for (entry, states) in entries.iter().zip(&evaluation.entries[place]) {
                let index = entry.index;
                let fields = group.fields.iter().zip(&entry.values).zip(states);
                let dropped = fields.filter(|((_, value), state)| value.is_some() && !state.visible);
                hidden.extend(dropped.map(|((field, _), _)| format!("{at}/{key}/{index}/{}", field.key.as_str())));
            }
        }
        hidden
    }
}

fn listed(faults: &FieldFaults) -> Vec<AnswerFault> {
    faults.list().iter().take(FAULTS_LISTED).map(AnswerFault::from).collect()
}

fn state(key: &Key, within: Option<(&Key, Uuid)>, state: State) -> FormItemState {
    FormItemState {
        key: key.clone(),
        group: within.map(|(group, _)| group.clone()),
        entry: within.map(|(_, entry)| entry),
        visible: state.visible,
        required: state.required,
        missing: state.missing,
    }
}

fn result(key: &Key, outcome: &ScoreOutcome) -> FormScoreResult {
    let (state, value, band) = match outcome {
        ScoreOutcome::Scored { value, band } => (ScoreState::Scored, Some(*value), band.clone()),
        ScoreOutcome::Missing => (ScoreState::Missing, None, None),
        ScoreOutcome::Hidden => (ScoreState::Hidden, None, None),
        ScoreOutcome::NotApplicable => (ScoreState::NotApplicable, None, None),
        ScoreOutcome::OutOfRange => (ScoreState::OutOfRange, None, None),
    };
    FormScoreResult { key: key.clone(), state, value, band }
}
