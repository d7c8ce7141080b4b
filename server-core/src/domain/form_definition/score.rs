use poem_openapi::{Enum, Object};
use server_shared::value::{DecimalNumber, Key, Line, Prose};

use super::model::FormTranslation;

/// Score: a number that is computed from answers and other scores, exactly and in decimal.
///
/// The result of `formula` is multiplied by `multiplier`, divided by `divisor`, increased by `offset` and rounded to
/// `decimals`. There is no score while more answers are missing than `may_miss`, while none is given, while every input
/// is hidden and excluded, or if the result has more than 18 digits before the point.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct ScoreItem {
    /// Label, 1 to 200 characters.
    pub(crate) label: Line<1, 200>,
    /// Explanation, 1 to 2,000 characters; absent if there is none.
    pub(crate) help: Option<Prose<1, 2000>>,
    /// Label and explanation in other languages, at most 20.
    #[oai(default, validator(max_items = 20))]
    pub(crate) translations: Vec<FormTranslation>,
    /// Formula.
    pub(crate) formula: ScoreFormula,
    /// Inputs, 1 to 200 different ones.
    #[oai(validator(min_items = 1, max_items = 200))]
    pub(crate) inputs: Vec<ScoreInput>,
    /// Number of visible inputs that may be without an answer, 0 to 200. A hidden input never counts as missing.
    #[oai(default, validator(minimum(value = "0"), maximum(value = "200")))]
    pub(crate) may_miss: i32,
    /// Treatment of missing answers, for `sum` and `weighted` with `may_miss` above 0; absent for all others.
    pub(crate) if_missing: Option<MissingRule>,
    /// Factor, 1 if left out; not 0.
    pub(crate) multiplier: Option<DecimalNumber>,
    /// Divisor, 1 if left out; not 0.
    pub(crate) divisor: Option<DecimalNumber>,
    /// Number that is added last, 0 if left out.
    pub(crate) offset: Option<DecimalNumber>,
    /// Number of decimals that the score is rounded to, 0 to 6. A half is rounded away from zero.
    #[oai(default, validator(minimum(value = "0"), maximum(value = "6")))]
    pub(crate) decimals: i32,
    /// Bands of the rounded score, at most 20, without overlap. A score between them has no band.
    #[oai(default, validator(max_items = 20))]
    pub(crate) bands: Vec<ScoreBand>,
}

/// Formula of a score.
///
/// - `sum`: points of the answers, added
/// - `mean`: points of the answers, added and divided by the number of answers
/// - `weighted`: points of the answers, each multiplied by its weight, added
/// - `count`: number of the answers that meet the condition of their input
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum ScoreFormula {
    /// Sum of points.
    Sum,
    /// Mean of points.
    Mean,
    /// Sum of weighted points.
    Weighted,
    /// Number of answers that meet a condition.
    Count,
}

/// Treatment of missing answers, if they are no more than may be missing.
///
/// - `omit`: they add nothing
/// - `prorate`: they count as the mean of the answers that are given; with weights, as the weighted mean
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum MissingRule {
    /// They add nothing.
    Omit,
    /// They count as the mean.
    Prorate,
}

/// Treatment of an input that is hidden.
///
/// - `exclude`: the score is computed as if it did not have the input
/// - `points`: the input counts as answered, with `hidden_points`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum HiddenRule {
    /// The score does not have the input.
    #[default]
    Exclude,
    /// The input has stated points.
    Points,
}

/// Input of a score: a field outside of groups, or another score.
///
/// The points of an answer are the number itself for the types `integer`, `decimal` and `scale` and for scores, 1 or 0
/// for `boolean`, and those in `points` for choices, added if several options are chosen. Other types can't be scored.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct ScoreInput {
    /// Key of the field or score.
    pub(crate) key: Key,
    /// Weight of the points, 1 if left out; not 0. Only for `weighted`. For `prorate` all weights are positive.
    pub(crate) weight: Option<DecimalNumber>,
    /// `true` if the points count from the other end: the lowest plus the highest possible points, minus the points.
    /// The bounds are those of the field's validation or of its options' points. Not for `count`, scores, and fields of
    /// the type `multiple_choice`.
    #[oai(default)]
    pub(crate) reverse: bool,
    /// Points of the options of a choice: of every option, once, also of retired ones, which earlier answers may have.
    /// At most 200; not for `count` and for other types.
    #[oai(default, validator(max_items = 200))]
    pub(crate) points: Vec<OptionPoints>,
    /// Options of a choice; `count` counts an answer that has any of them. At most 200, none for other formulas and
    /// types.
    #[oai(default, validator(max_items = 200))]
    pub(crate) counted_options: Vec<Key>,
    /// Number from which on `count` counts an answer or score; absent for choices and for other formulas. Fields of the
    /// type `boolean` need nothing: their `true` is counted.
    pub(crate) counted_from: Option<DecimalNumber>,
    /// Treatment of the input while it is hidden.
    #[oai(default)]
    pub(crate) hidden: HiddenRule,
    /// Points of the hidden input, before its weight; absent unless `hidden` is `points`.
    pub(crate) hidden_points: Option<DecimalNumber>,
}

/// Points of an option.
#[derive(Debug, Clone, Object)]
pub(crate) struct OptionPoints {
    /// Key of the option.
    pub(crate) option: Key,
    /// Points of an answer with this option.
    pub(crate) points: DecimalNumber,
}

/// Band of a score, e.g. mild or severe.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct ScoreBand {
    /// Key of the band, unique in the score.
    pub(crate) key: Key,
    /// Label, 1 to 200 characters.
    pub(crate) label: Line<1, 200>,
    /// Label in other languages, at most 20.
    #[oai(default, validator(max_items = 20))]
    pub(crate) translations: Vec<FormTranslation>,
    /// Lowest score of the band; absent if it has no lower bound.
    pub(crate) from: Option<DecimalNumber>,
    /// Highest score of the band, not below `from`; absent if it has no upper bound.
    pub(crate) to: Option<DecimalNumber>,
}

impl ScoreItem {
    /// Returns the mean of inputs that must all be answered, as a whole number.
    pub(super) fn mean(label: &'static str, inputs: Vec<ScoreInput>) -> Self {
        Self {
            label: Line::from_static(label),
            help: None,
            translations: Vec::new(),
            formula: ScoreFormula::Mean,
            inputs,
            may_miss: 0,
            if_missing: None,
            multiplier: None,
            divisor: None,
            offset: None,
            decimals: 0,
            bands: Vec::new(),
        }
    }
}

impl ScoreInput {
    /// Returns an input that is scored by its number and excluded while it is hidden.
    pub(super) fn of(key: Key) -> Self {
        Self {
            key,
            weight: None,
            reverse: false,
            points: Vec::new(),
            counted_options: Vec::new(),
            counted_from: None,
            hidden: HiddenRule::Exclude,
            hidden_points: None,
        }
    }
}
