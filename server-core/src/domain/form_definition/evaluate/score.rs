//! Scores, in exact decimal arithmetic with bounded digits.

use rust_decimal::{Decimal, RoundingStrategy};
use server_shared::value::{DecimalNumber, Key};

use super::Evaluation;
use crate::domain::{
    field::FieldValue,
    form_definition::{
        answers::Answers,
        compile::{InputRule, Points, ScoreRule},
        score::ScoreFormula,
    },
};

/// Outcome of a score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::domain::form_definition) enum ScoreOutcome {
    /// The score is hidden.
    Hidden,
    /// Every input is hidden and excluded.
    NotApplicable,
    /// Too many answers are missing, or all of them.
    Missing,
    /// The result has too many digits.
    OutOfRange,
    /// There is a score.
    Scored { value: DecimalNumber, band: Option<Key> },
}

impl ScoreOutcome {
    /// Returns the score, if there is one.
    pub(super) fn value(&self) -> Option<Decimal> {
        match self {
            Self::Scored { value, .. } => Some(value.get()),
            _ => None,
        }
    }
}

/// Sums over the inputs of a score.
#[derive(Default)]
struct Sums {
    /// Weighted points of the answers.
    points: Decimal,
    /// Weights of the answers.
    answered_weight: Decimal,
    /// Weights of the missing answers.
    missing_weight: Decimal,
    answered: usize,
    missing: usize,
}

/// Computes a visible score. The states and scores of its inputs are settled already.
pub(super) fn compute(rule: &ScoreRule, answers: &Answers, evaluation: &Evaluation) -> ScoreOutcome {
    let mut sums = Sums::default();
    for input in &rule.inputs {
        if sums.add(input, answers, evaluation).is_none() {
            return ScoreOutcome::OutOfRange;
        }
    }
    if sums.answered + sums.missing == 0 {
        return ScoreOutcome::NotApplicable;
    }
    if sums.missing > rule.may_miss || sums.answered == 0 {
        return ScoreOutcome::Missing;
    }
    let Some(value) = sums.result(rule).and_then(DecimalNumber::of) else { return ScoreOutcome::OutOfRange };
    let number = value.get();
    let holds = |from: Option<Decimal>, to: Option<Decimal>| {
        from.is_none_or(|from| from <= number) && to.is_none_or(|to| number <= to)
    };
    let band = rule.bands.iter().find(|band| holds(band.from, band.to)).map(|band| band.key.clone());
    ScoreOutcome::Scored { value, band }
}

impl Sums {
    /// Adds an input; `None` if a number gets too large.
    fn add(&mut self, input: &InputRule, answers: &Answers, evaluation: &Evaluation) -> Option<()> {
        let points = match (evaluation.items[input.item].visible, &evaluation.scores[input.item]) {
            // A score all of whose inputs are hidden is as good as hidden.
            (false, _) | (_, Some(ScoreOutcome::NotApplicable)) => {
                let Some(points) = input.hidden else { return Some(()) };
                Some(points)
            }
            (true, Some(ScoreOutcome::OutOfRange)) => return None,
            (true, Some(score)) => match score.value() {
                Some(number) => Some(input.points.of_number(number)?),
                None => None,
            },
            (true, None) => match answers.value(input.item) {
                Some(value) => Some(input.points.of(value)?),
                None => None,
            },
        };
        if let Some(points) = points {
            self.points = self.points.checked_add(points.checked_mul(input.weight)?)?;
            self.answered_weight = self.answered_weight.checked_add(input.weight)?;
            self.answered += 1;
        } else {
            self.missing_weight = self.missing_weight.checked_add(input.weight)?;
            self.missing += 1;
        }
        Some(())
    }

    /// Returns the rounded score. Divides last, so that a half stays a half.
    fn result(&self, rule: &ScoreRule) -> Option<Decimal> {
        let (numerator, denominator) = match rule.formula {
            ScoreFormula::Mean => (self.points, Decimal::from(self.answered)),
            ScoreFormula::Sum | ScoreFormula::Weighted if rule.prorates && self.missing > 0 => {
                let weight = self.answered_weight.checked_add(self.missing_weight)?;
                (self.points.checked_mul(weight)?, self.answered_weight)
            }
            ScoreFormula::Sum | ScoreFormula::Weighted | ScoreFormula::Count => (self.points, Decimal::ONE),
        };
        let numerator = numerator.checked_mul(rule.multiplier)?;
        let quotient = numerator.checked_div(denominator.checked_mul(rule.divisor)?)?;
        let score = quotient.checked_add(rule.offset)?;
        Some(score.round_dp_with_strategy(rule.decimals, RoundingStrategy::MidpointAwayFromZero))
    }
}

impl Points {
    /// Returns the points of an answer; `None` if they are too large.
    fn of(&self, value: &FieldValue) -> Option<Decimal> {
        match (self, value) {
            (_, FieldValue::Integer(number)) => self.of_number(Decimal::from(*number)),
            (_, FieldValue::Decimal(number)) => self.of_number(*number),
            (Self::Truth, FieldValue::Boolean(truth)) => Some(one_if(*truth)),
            (Self::Untruth, FieldValue::Boolean(truth)) => Some(one_if(!*truth)),
            (Self::Options(points), FieldValue::Choice(key)) => points.get(key).copied(),
            (Self::Options(points), FieldValue::Choices(keys)) => {
                keys.iter().try_fold(Decimal::ZERO, |sum, key| sum.checked_add(points.get(key).copied()?))
            }
            (Self::AnyOf(options), FieldValue::Choice(key)) => Some(one_if(options.contains(key))),
            (Self::AnyOf(options), FieldValue::Choices(keys)) => {
                Some(one_if(keys.iter().any(|key| options.contains(key))))
            }
            // Inputs have the type that they were compiled for.
            _ => None,
        }
    }

    /// Returns the points of a number.
    fn of_number(&self, number: Decimal) -> Option<Decimal> {
        match self {
            Self::Number => Some(number),
            Self::Reversed(sum) => sum.checked_sub(number),
            Self::From(least) => Some(one_if(number >= *least)),
            Self::Truth | Self::Untruth | Self::Options(_) | Self::AnyOf(_) => None,
        }
    }
}

fn one_if(holds: bool) -> Decimal {
    if holds { Decimal::ONE } else { Decimal::ZERO }
}
