use chrono::{Datelike as _, NaiveDate};
use poem_openapi::Object;
use server_shared::{http::document::LARGEST_INTEGER, value::DecimalNumber};

use super::{FieldDefinition, FieldType, value::YEARS};
use crate::domain::rules::FieldFaults;

/// Most positions of a scale, so that it can be drawn.
const MOST_POSITIONS: i64 = 1_000;

/// Bounds of a field's values. Each applies to the types that it names, and is refused for others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct FieldValidation {
    /// Minimum number of characters of `text` and `long_text`; 1 if left out.
    #[oai(validator(minimum(value = "1"), maximum(value = "10000")))]
    pub(crate) min_length: Option<i32>,
    /// Maximum number of characters of `text` (500 if left out) and `long_text` (10,000 if left out).
    #[oai(validator(minimum(value = "1"), maximum(value = "10000")))]
    pub(crate) max_length: Option<i32>,
    /// Smallest value of `integer`, `decimal` and `scale`; for a scale 0 if left out.
    pub(crate) minimum: Option<DecimalNumber>,
    /// Largest value of `integer`, `decimal` and `scale`; for a scale 10 if left out.
    pub(crate) maximum: Option<DecimalNumber>,
    /// Distance between two positions of a `scale`; 1 if left out. A scale has at most 1,000 steps.
    #[oai(validator(minimum(value = "1"), maximum(value = "1000000")))]
    pub(crate) step: Option<i32>,
    /// First day of `date` and `datetime`, between the years 1850 and 9999; of a moment, the day in UTC counts.
    pub(crate) earliest: Option<NaiveDate>,
    /// Last day of `date` and `datetime`, between the years 1850 and 9999; of a moment, the day in UTC counts.
    pub(crate) latest: Option<NaiveDate>,
    /// Minimum number of options that a `multiple_choice` selects; 1 if left out, 0 if an empty selection is an answer.
    #[oai(validator(minimum(value = "0"), maximum(value = "200")))]
    pub(crate) min_selected: Option<i32>,
    /// Maximum number of options that a `multiple_choice` selects; all if left out.
    #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
    pub(crate) max_selected: Option<i32>,
}

impl FieldValidation {
    /// Adds the faults of the bounds of `field`, with pointers below `at`.
    pub(super) fn check(&self, field: &FieldDefinition, at: &str, faults: &mut FieldFaults) {
        let kind = field.field_type;
        let is_text = kind.longest().is_some();
        let is_day = matches!(kind, FieldType::Date | FieldType::Datetime);
        let is_list = kind == FieldType::MultipleChoice;
        for (name, is_given, applies) in [
            ("min_length", self.min_length.is_some(), is_text),
            ("max_length", self.max_length.is_some(), is_text),
            ("minimum", self.minimum.is_some(), kind.is_number()),
            ("maximum", self.maximum.is_some(), kind.is_number()),
            ("step", self.step.is_some(), kind == FieldType::Scale),
            ("earliest", self.earliest.is_some(), is_day),
            ("latest", self.latest.is_some(), is_day),
            ("min_selected", self.min_selected.is_some(), is_list),
            ("max_selected", self.max_selected.is_some(), is_list),
        ] {
            if is_given && !applies {
                faults.add(format!("{at}/{name}"), "not_applicable", "does not apply to fields of this type");
            }
        }
        if let Some(longest) = kind.longest() {
            self.check_lengths(longest, at, faults);
        }
        if kind.is_number() {
            self.check_numbers(kind, at, faults);
        }
        if is_day {
            for (name, day) in [("earliest", self.earliest), ("latest", self.latest)] {
                if day.is_some_and(|day| !YEARS.contains(&day.year())) {
                    faults.add(format!("{at}/{name}"), "range", "must be between the years 1850 and 9999");
                }
            }
            in_order(self.earliest, self.latest, ("earliest", "latest"), at, faults);
        }
        if is_list {
            in_order(self.min_selected, self.max_selected, ("min_selected", "max_selected"), at, faults);
            let in_use = field.options.iter().filter(|option| !option.retired).count();
            let least = self.min_selected.and_then(|least| usize::try_from(least).ok());
            if least.is_some_and(|least| least > in_use) {
                let message = "must not be more than the number of options that are not retired";
                faults.add(format!("{at}/min_selected"), "maximum", message);
            }
        }
    }

    fn check_lengths(&self, longest: i32, at: &str, faults: &mut FieldFaults) {
        for (name, length) in [("min_length", self.min_length), ("max_length", self.max_length)] {
            if length.is_some_and(|length| length > longest) {
                faults.add(format!("{at}/{name}"), "maximum", format!("must be at most {longest} for this type"));
            }
        }
        in_order(self.min_length, self.max_length, ("min_length", "max_length"), at, faults);
    }

    fn check_numbers(&self, kind: FieldType, at: &str, faults: &mut FieldFaults) {
        if kind != FieldType::Decimal {
            let mut all_whole = true;
            for (name, bound) in [("minimum", self.minimum), ("maximum", self.maximum)] {
                if bound.is_some_and(|bound| whole(bound).is_none()) {
                    all_whole = false;
                    faults.add(
                        format!("{at}/{name}"),
                        "type",
                        "must be a whole number between −(2^53 − 1) and 2^53 − 1",
                    );
                }
            }
            if !all_whole {
                return;
            }
        }
        if kind != FieldType::Scale {
            in_order(self.minimum, self.maximum, ("minimum", "maximum"), at, faults);
            return;
        }
        let scale = self.scale();
        let length = scale.last - scale.first;
        if length <= 0 {
            let message = "must be greater than minimum; left out, minimum is 0 and maximum 10";
            faults.add(format!("{at}/maximum"), "range", message);
        } else if length % scale.step != 0 {
            faults.add(format!("{at}/step"), "multiple_of", "must divide the scale from minimum to maximum evenly");
        } else if length / scale.step > MOST_POSITIONS {
            faults.add(
                format!("{at}/step"),
                "range",
                format!("must divide the scale into at most {MOST_POSITIONS} steps"),
            );
        }
    }

    /// Returns the positions of a scale.
    pub(super) fn scale(&self) -> Scale {
        Scale {
            first: self.minimum.and_then(whole).unwrap_or(0),
            last: self.maximum.and_then(whole).unwrap_or(10),
            step: self.step.map_or(1, i64::from),
        }
    }
}

/// Positions of a scale: `first`, each `step` after it, up to `last`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) step: i64,
}

/// Adds a fault if the first bound is beyond the second.
fn in_order<T: PartialOrd>(
    first: Option<T>,
    last: Option<T>,
    (first_name, last_name): (&str, &str),
    at: &str,
    faults: &mut FieldFaults,
) {
    if first.zip(last).is_some_and(|(first, last)| first > last) {
        faults.add(format!("{at}/{last_name}"), "range", format!("must not be less than {first_name}"));
    }
}

/// Returns the number if it is whole and JavaScript represents it exactly.
fn whole(number: DecimalNumber) -> Option<i64> {
    let number = number.get();
    let whole = number.is_integer().then(|| i64::try_from(number).ok()).flatten()?;
    (-LARGEST_INTEGER..=LARGEST_INTEGER).contains(&whole).then_some(whole)
}
