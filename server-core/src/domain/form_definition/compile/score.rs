//! Scores checked and compiled.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use server_shared::value::{DecimalNumber, Key};

use super::outline::{Outline, Target};
use crate::domain::{
    field::{FieldDefinition, FieldType},
    form_definition::score::{HiddenRule, MissingRule, ScoreBand, ScoreFormula, ScoreInput, ScoreItem},
    rules::FieldFaults,
};

/// Score as it is computed.
#[derive(Debug)]
pub(crate) struct ScoreRule {
    pub(crate) formula: ScoreFormula,
    pub(crate) inputs: Vec<InputRule>,
    pub(crate) may_miss: usize,
    /// `true` if missing answers count as the mean of the others.
    pub(crate) prorates: bool,
    pub(crate) multiplier: Decimal,
    pub(crate) divisor: Decimal,
    pub(crate) offset: Decimal,
    pub(crate) decimals: u32,
    pub(crate) bands: Vec<BandRule>,
}

#[derive(Debug)]
pub(crate) struct InputRule {
    /// Place of the field or score.
    pub(crate) item: usize,
    pub(crate) weight: Decimal,
    pub(crate) points: Points,
    /// Points of the hidden input; `None` if it is excluded.
    pub(crate) hidden: Option<Decimal>,
}

/// Way from an answer to its points.
#[derive(Debug)]
pub(crate) enum Points {
    /// The number itself.
    Number,
    /// The sum of the bounds minus the number.
    Reversed(Decimal),
    /// 1 if the number is not less, 0 otherwise.
    From(Decimal),
    /// 1 for `true` and 0 for `false`.
    Truth,
    /// 0 for `true` and 1 for `false`.
    Untruth,
    /// Points of each option.
    Options(BTreeMap<String, Decimal>),
    /// 1 if any of the options is chosen, 0 otherwise.
    AnyOf(BTreeSet<String>),
}

#[derive(Debug)]
pub(crate) struct BandRule {
    pub(crate) key: Key,
    pub(crate) from: Option<Decimal>,
    pub(crate) to: Option<Decimal>,
}

/// Compiles a score and adds its faults. Inputs with faults are left out.
pub(super) fn compile(score: &ScoreItem, at: &str, outline: &Outline<'_>, faults: &mut FieldFaults) -> ScoreRule {
    let count = |number: i32| usize::try_from(number).unwrap_or_default();
    let may_miss = count(score.may_miss);
    if may_miss >= score.inputs.len().max(1) {
        faults.add(format!("{at}/may_miss"), "maximum", "must be less than the number of inputs");
    }
    let adds = matches!(score.formula, ScoreFormula::Sum | ScoreFormula::Weighted);
    match score.if_missing {
        Some(_) if !adds || may_miss == 0 => {
            let message = "applies to the formulas sum and weighted with may_miss above 0 only";
            faults.add(format!("{at}/if_missing"), "not_applicable", message);
        }
        None if adds && may_miss > 0 => {
            faults.add(format!("{at}/if_missing"), "required", "is required if answers may be missing");
        }
        _ => {}
    }
    for (name, factor) in [("multiplier", score.multiplier), ("divisor", score.divisor)] {
        not_zero(factor, &format!("{at}/{name}"), faults);
    }
    let prorates = score.if_missing == Some(MissingRule::Prorate);
    let mut keys = BTreeSet::new();
    let mut inputs = Vec::with_capacity(score.inputs.len());
    for (index, input) in score.inputs.iter().enumerate() {
        let at = format!("{at}/inputs/{index}");
        if !keys.insert(&input.key) {
            faults.add(format!("{at}/key"), "repeated", "is the key of another input");
        }
        check_weight(input, score.formula, prorates, &at, faults);
        inputs.extend(compile_input(input, score.formula, &at, outline, faults));
    }
    let number = |number: Option<DecimalNumber>, default: Decimal| number.map_or(default, DecimalNumber::get);
    ScoreRule {
        formula: score.formula,
        inputs,
        may_miss,
        prorates,
        multiplier: number(score.multiplier, Decimal::ONE),
        divisor: number(score.divisor, Decimal::ONE),
        offset: number(score.offset, Decimal::ZERO),
        decimals: u32::try_from(score.decimals).unwrap_or_default(),
        bands: compile_bands(&score.bands, at, faults),
    }
}

fn not_zero(number: Option<DecimalNumber>, at: &str, faults: &mut FieldFaults) {
    if number.is_some_and(|number| number.get().is_zero()) {
        faults.add(at, "not_zero", "must not be 0");
    }
}

fn check_weight(input: &ScoreInput, formula: ScoreFormula, prorates: bool, at: &str, faults: &mut FieldFaults) {
    let at = format!("{at}/weight");
    if input.weight.is_some() && formula != ScoreFormula::Weighted {
        faults.add(at, "not_applicable", "applies to the formula weighted only");
    } else if prorates && input.weight.is_some_and(|weight| weight.get() <= Decimal::ZERO) {
        faults.add(at, "minimum", "must be greater than 0, because missing answers count as the weighted mean");
    } else {
        not_zero(input.weight, &at, faults);
    }
}

/// Compiles an input; `None` if it has a fault.
fn compile_input(
    input: &ScoreInput,
    formula: ScoreFormula,
    at: &str,
    outline: &Outline<'_>,
    faults: &mut FieldFaults,
) -> Option<InputRule> {
    match (input.hidden, input.hidden_points) {
        (HiddenRule::Points, None) => {
            faults.add(format!("{at}/hidden_points"), "required", "is required if hidden is points");
        }
        (HiddenRule::Exclude, Some(_)) => {
            faults.add(format!("{at}/hidden_points"), "not_applicable", "applies only if hidden is points");
        }
        _ => {}
    }
    let Some(item) = outline.place(&input.key) else {
        let message = "must be the key of a field or score outside of groups";
        faults.add(format!("{at}/key"), "unknown_reference", message);
        return None;
    };
    let definition = match &outline.items[item].target {
        Target::Field(definition) => Some((*definition)?),
        Target::Score => None,
        Target::Group(_) | Target::Text => {
            faults.add(format!("{at}/key"), "reference", "must be the key of a field or score outside of groups");
            return None;
        }
        Target::Unclear => return None,
    };
    let points = Scored { input, definition, at }.points(formula == ScoreFormula::Count, faults)?;
    let weight = input.weight.map_or(Decimal::ONE, DecimalNumber::get);
    Some(InputRule { item, weight, points, hidden: input.hidden_points.map(DecimalNumber::get) })
}

/// Input of a score with the definition of its field; of a score, it has none.
struct Scored<'s> {
    input: &'s ScoreInput,
    definition: Option<&'s FieldDefinition>,
    at: &'s str,
}

impl Scored<'_> {
    fn points(&self, is_count: bool, faults: &mut FieldFaults) -> Option<Points> {
        let kind = self.definition.map(|definition| definition.field_type);
        let is_choice = kind.is_some_and(FieldType::is_choice);
        let is_number = kind.is_none_or(FieldType::is_number);
        if !is_choice && !is_number && kind != Some(FieldType::Boolean) {
            let message = "must be the key of a score, or of a field of the type integer, decimal, scale, boolean, \
                           single_choice or multiple_choice";
            faults.add(format!("{}/key", self.at), "type", message);
            return None;
        }
        let input = self.input;
        let can_reverse = !is_count && kind.is_some() && kind != Some(FieldType::MultipleChoice);
        for (name, is_given, applies) in [
            ("reverse", input.reverse, can_reverse),
            ("points", !input.points.is_empty(), is_choice && !is_count),
            ("counted_options", !input.counted_options.is_empty(), is_choice && is_count),
            ("counted_from", input.counted_from.is_some(), is_number && is_count),
        ] {
            if is_given && !applies {
                let message = "does not apply to this formula or to the type of this input";
                faults.add(format!("{}/{name}", self.at), "not_applicable", message);
            }
        }
        match self.definition {
            Some(definition) if is_choice && is_count => self.counted_options(definition, faults),
            Some(definition) if is_choice => self.option_points(definition, faults),
            _ if is_number && is_count => {
                let from = input.counted_from.map(|from| Points::From(from.get()));
                if from.is_none() {
                    faults.add(format!("{}/counted_from", self.at), "required", "is required to count a number");
                }
                from
            }
            Some(definition) if is_number && input.reverse => self.reversed(definition, faults),
            _ if is_number => Some(Points::Number),
            _ if input.reverse => Some(Points::Untruth),
            _ => Some(Points::Truth),
        }
    }

    fn reversed(&self, definition: &FieldDefinition, faults: &mut FieldFaults) -> Option<Points> {
        let bounds = definition.validation.as_ref();
        let mut minimum = bounds.and_then(|bounds| bounds.minimum).map(DecimalNumber::get);
        let mut maximum = bounds.and_then(|bounds| bounds.maximum).map(DecimalNumber::get);
        if definition.field_type == FieldType::Scale {
            // The bounds of a scale that states none.
            minimum = minimum.or(Some(Decimal::ZERO));
            maximum = maximum.or(Some(Decimal::TEN));
        }
        let sum = minimum.zip(maximum).map(|(minimum, maximum)| minimum + maximum);
        if sum.is_none() {
            let message = "applies to numbers with a minimum and a maximum only";
            faults.add(format!("{}/reverse", self.at), "not_applicable", message);
        }
        sum.map(Points::Reversed)
    }

    fn option_points(&self, definition: &FieldDefinition, faults: &mut FieldFaults) -> Option<Points> {
        let mut points = BTreeMap::new();
        let mut is_whole = true;
        for (index, given) in self.input.points.iter().enumerate() {
            let key = given.option.as_str();
            let fault = if definition.option(key).is_none() {
                ("option", "must be the key of an option of the field")
            } else if points.insert(key.to_owned(), given.points.get()).is_some() {
                ("repeated", "has points already")
            } else {
                continue;
            };
            faults.add(format!("{}/points/{index}/option", self.at), fault.0, fault.1);
            is_whole = false;
        }
        if definition.options.iter().any(|option| !points.contains_key(option.key.as_str())) {
            let message = "must have points for every option of the field, also for retired ones";
            faults.add(format!("{}/points", self.at), "incomplete", message);
            is_whole = false;
        }
        if self.input.reverse {
            let bounds = points.values().min().zip(points.values().max());
            // Points have few enough digits for exact sums of three.
            let sum = bounds.map_or(Decimal::ZERO, |(lowest, highest)| lowest + highest);
            for points in points.values_mut() {
                *points = sum - *points;
            }
        }
        is_whole.then_some(Points::Options(points))
    }

    fn counted_options(&self, definition: &FieldDefinition, faults: &mut FieldFaults) -> Option<Points> {
        let mut options = BTreeSet::new();
        let mut is_whole = true;
        for (index, key) in self.input.counted_options.iter().enumerate() {
            let fault = if definition.option(key.as_str()).is_none() {
                ("option", "must be the key of an option of the field")
            } else if !options.insert(key.as_str().to_owned()) {
                ("repeated", "repeats another option")
            } else {
                continue;
            };
            faults.add(format!("{}/counted_options/{index}", self.at), fault.0, fault.1);
            is_whole = false;
        }
        if self.input.counted_options.is_empty() {
            faults.add(format!("{}/counted_options", self.at), "required", "is required to count a choice");
            is_whole = false;
        }
        is_whole.then_some(Points::AnyOf(options))
    }
}

fn compile_bands(bands: &[ScoreBand], at: &str, faults: &mut FieldFaults) -> Vec<BandRule> {
    let mut keys = BTreeSet::new();
    for (index, band) in bands.iter().enumerate() {
        if !keys.insert(&band.key) {
            faults.add(format!("{at}/bands/{index}/key"), "repeated", "is the key of another band");
        }
        if band.from.zip(band.to).is_some_and(|(from, to)| from > to) {
            faults.add(format!("{at}/bands/{index}/to"), "range", "must not be less than from");
        }
    }
    let mut places: Vec<usize> = (0..bands.len()).collect();
    places.sort_by_key(|place| bands[*place].from);
    for pair in places.windows(2) {
        if let [lower, upper] = *pair {
            let bounds = bands[lower].to.zip(bands[upper].from);
            if bounds.is_none_or(|(to, from)| from <= to) {
                let message = "must be greater than the end of other bands";
                faults.add(format!("{at}/bands/{upper}/from"), "overlap", message);
            }
        }
    }
    let rule = |band: &ScoreBand| BandRule {
        key: band.key.clone(),
        from: band.from.map(DecimalNumber::get),
        to: band.to.map(DecimalNumber::get),
    };
    bands.iter().map(rule).collect()
}
