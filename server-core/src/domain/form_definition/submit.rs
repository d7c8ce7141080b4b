//! Submission of answers: what is missing, what is dropped, and what may be stored in the clear.

use server_shared::value::{DecimalNumber, Key};
use uuid::Uuid;

use super::{
    answers::Answers,
    compile::{Compiled, Content},
    evaluate::{Evaluation, ScoreOutcome},
};
use crate::domain::{field::FieldValue, rules::FieldFaults};

/// Answer or score that is no protected health information.
pub(crate) struct OpenAnswer<'a> {
    /// Key of the field or score.
    pub(crate) key: &'a Key,
    /// Key of the group and id of the entry that the field is in.
    pub(crate) within: Option<(&'a Key, Uuid)>,
    pub(crate) value: OpenValue<'a>,
}

/// Value of such an answer or score.
pub(crate) enum OpenValue<'a> {
    Answer(&'a FieldValue),
    Score { value: DecimalNumber, band: Option<&'a Key> },
}

impl Compiled {
    /// Adds a fault for each answer that is required and missing, like [`Compiled::require`], but with pointers that
    /// name entries by their ids, as a request to save them does.
    pub(crate) fn require_by_entry(
        &self,
        answers: &Answers,
        evaluation: &Evaluation,
        at: &str,
        faults: &mut FieldFaults,
    ) {
        let id = |place: usize, entry: usize| answers.entries(place).get(entry).map(|entry| entry.id.to_string());
        self.missing(evaluation, at, |place, entry| id(place, entry).unwrap_or_default(), faults);
    }

    /// Returns the places of answers to hidden fields, which are dropped at the submission: `field`,
    /// `group/entry/field`, and `group/entry` for the entries of a hidden group.
    pub(crate) fn hidden_places(&self, answers: &Answers, evaluation: &Evaluation) -> Vec<String> {
        let mut hidden = Vec::new();
        for (place, item) in self.items.iter().enumerate() {
            let key = item.key.as_str();
            let entries = answers.entries(place);
            if !evaluation.items[place].visible {
                hidden.extend(answers.value(place).map(|_| key.to_owned()));
                hidden.extend(entries.iter().map(|entry| format!("{key}/{}", entry.id)));
                continue;
            }
            let Content::Group(group) = &item.content else { continue };
            for (entry, states) in entries.iter().zip(&evaluation.entries[place]) {
                let fields = group.fields.iter().zip(&entry.values).zip(states);
                let dropped = fields.filter(|((_, value), state)| value.is_some() && !state.visible);
                hidden.extend(dropped.map(|((field, _), _)| format!("{key}/{}/{}", entry.id, field.key.as_str())));
            }
        }
        hidden
    }

    /// Returns the visible answers and the scores that are no protected health information. Answers that a protected
    /// one shows are not among them: they would tell something of it by being there. `cleared` names the scores that an
    /// administrator has cleared.
    pub(crate) fn open_answers<'a>(
        &'a self,
        answers: &'a Answers,
        evaluation: &'a Evaluation,
        cleared: &[Key],
    ) -> Vec<OpenAnswer<'a>> {
        let mut open = Vec::new();
        let telling = self.shown_by_protected(cleared);
        for (place, (item, (is_telling, telling))) in self.items.iter().zip(telling).enumerate() {
            if is_telling || !evaluation.items[place].visible {
                continue;
            }
            match &item.content {
                Content::Field(rule) if !rule.definition.phi => {
                    let value = answers.value(place).map(OpenValue::Answer);
                    open.extend(value.map(|value| OpenAnswer { key: &item.key, within: None, value }));
                }
                Content::Group(group) => {
                    for (entry, states) in answers.entries(place).iter().zip(&evaluation.entries[place]) {
                        let fields = group.fields.iter().zip(&entry.values).zip(states.iter().zip(&telling));
                        let shown = fields.filter(|((field, _), (state, tells))| {
                            state.visible && !**tells && !field.rule.definition.phi
                        });
                        open.extend(shown.filter_map(|((field, value), _)| {
                            let value = OpenValue::Answer(value.as_ref()?);
                            Some(OpenAnswer { key: &field.key, within: Some((&item.key, entry.id)), value })
                        }));
                    }
                }
                Content::Field(_) | Content::Score(_) | Content::Text => {}
            }
        }
        for (key, _) in self.scores(cleared).into_iter().filter(|(_, phi)| !phi) {
            let outcome = self.by_key.get(key.as_str()).and_then(|place| evaluation.scores[*place].as_ref());
            if let Some(ScoreOutcome::Scored { value, band }) = outcome {
                let value = OpenValue::Score { value: *value, band: band.as_ref() };
                open.push(OpenAnswer { key, within: None, value });
            }
        }
        open
    }
}
