//! An evaluator that works on the JSON of definition and answers, without order or types: it repeats until nothing
//! changes, and computes scores as fractions.

use std::collections::BTreeMap;

use serde_json::Value;
use server_shared::value::folded;

/// Visible, required and missing, and the text of each score; items by their keys, entries by `group/place/key`,
/// sections by `section/key`.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Naive {
    pub(super) visible: BTreeMap<String, bool>,
    pub(super) required: BTreeMap<String, bool>,
    pub(super) missing: BTreeMap<String, bool>,
    pub(super) scores: BTreeMap<String, Option<String>>,
}

/// Fraction with a positive denominator.
#[derive(Debug, Clone, Copy)]
struct Fraction(i128, i128);

impl Fraction {
    fn new(numerator: i128, denominator: i128) -> Self {
        let (mut a, mut b) = (numerator.abs(), denominator.abs());
        while b > 0 {
            (a, b) = (b, a % b);
        }
        let divisor = a.max(1) * denominator.signum();
        Self(numerator / divisor, denominator / divisor)
    }

    fn parse(text: &str) -> Self {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let scale = 10_i128.pow(u32::try_from(fraction.len()).unwrap());
        Self::new(format!("{whole}{fraction}").parse().unwrap(), scale)
    }

    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self::parse(text)),
            Value::Number(number) => Some(Self::parse(&number.to_string())),
            Value::Bool(truth) => Some(Self(i128::from(*truth), 1)),
            _ => None,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self::new(self.0 * other.1 + other.0 * self.1, self.1 * other.1)
    }

    fn times(self, other: Self) -> Self {
        Self::new(self.0 * other.0, self.1 * other.1)
    }

    fn by(self, other: Self) -> Self {
        Self::new(self.0 * other.1, self.1 * other.0)
    }

    fn is_less(self, other: Self) -> bool {
        self.0 * other.1 < other.0 * self.1
    }

    /// Writes it with at most this many decimals, a half away from zero, without zeros at the end.
    fn rounded(self, decimals: u32) -> String {
        let scale = 10_i128.pow(decimals);
        let units = (2 * self.0.abs() * scale + self.1) / (2 * self.1);
        let sign = if self.0 < 0 && units > 0 { "-" } else { "" };
        let fraction = format!("{:0width$}", units % scale, width = usize::try_from(decimals).unwrap());
        let fraction = if decimals == 0 { "" } else { fraction.trim_end_matches('0') };
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{sign}{}{point}{fraction}", units / scale)
    }
}

/// Evaluates answers; `None` if the definition does not settle.
pub(super) fn evaluate(definition: &Value, answers: &Value) -> Option<Naive> {
    let mut state = Naive::default();
    // Each round settles at least one more item.
    for _ in 0..200 {
        let next = round(definition, answers, &state);
        if next == state {
            return Some(state);
        }
        state = next;
    }
    None
}

fn list<'v>(value: &'v Value, name: &str) -> impl Iterator<Item = &'v Value> {
    value[name].as_array().into_iter().flatten()
}

fn key(value: &Value) -> &str {
    value["key"].as_str().unwrap()
}

fn round(definition: &Value, answers: &Value, before: &Naive) -> Naive {
    let mut after = Naive::default();
    let sight = |entry| Sight { definition, answers, before, entry };
    for section in list(definition, "sections") {
        let is_shown = sight(None).shows(section);
        after.visible.insert(format!("section/{}", key(section)), is_shown);
        let section_before = before.visible.get(&format!("section/{}", key(section))).copied().unwrap_or(true);
        for item in list(section, "items") {
            let visible = section_before && sight(None).shows(item);
            after.visible.insert(key(item).to_owned(), visible);
            if !item["score"].is_null() {
                let score = if visible { sight(None).score(&item["score"]) } else { None };
                after.scores.insert(key(item).to_owned(), score);
            }
            let field = &item["field"];
            if !field.is_null() {
                let required = visible && sight(None).requires(field);
                after.required.insert(key(item).to_owned(), required);
                after.missing.insert(key(item).to_owned(), required && answers[key(item)].is_null());
            }
            let least = item["group"]["min_entries"].as_u64().unwrap_or(0);
            let entries: Vec<&Value> = list(answers, key(item)).filter(|entry| entry.is_object()).collect();
            if !item["group"].is_null() {
                after.required.insert(key(item).to_owned(), visible && least > 0);
                after.missing.insert(key(item).to_owned(), visible && (entries.len() as u64) < least);
            }
            for (place, entry) in entries.iter().enumerate().filter(|_| !item["group"].is_null()) {
                for inner in list(&item["group"], "items") {
                    let path = format!("{}/{place}/{}", key(item), key(inner));
                    let sight = sight(Some((item, place)));
                    let inner_visible = visible && sight.shows(inner);
                    let required = inner_visible && sight.requires(&inner["field"]);
                    after.visible.insert(path.clone(), inner_visible);
                    after.required.insert(path.clone(), required);
                    after.missing.insert(path, required && entry[key(inner)].is_null());
                }
            }
        }
    }
    after
}

#[derive(Clone, Copy)]
struct Sight<'v> {
    definition: &'v Value,
    answers: &'v Value,
    before: &'v Naive,
    /// Group and place of the entry.
    entry: Option<(&'v Value, usize)>,
}

impl<'v> Sight<'v> {
    fn shows(&self, item: &Value) -> bool {
        item["visible_if"].is_null() || self.holds(&item["visible_if"])
    }

    fn requires(&self, field: &Value) -> bool {
        field["required"] == true || (!field["required_if"].is_null() && self.holds(&field["required_if"]))
    }

    fn item(&self, wanted: &str) -> Option<&'v Value> {
        list(self.definition, "sections").flat_map(|section| list(section, "items")).find(|item| key(item) == wanted)
    }

    fn is_visible(&self, path: &str) -> bool {
        self.before.visible.get(path).copied().unwrap_or(true)
    }

    /// Returns the value of a key, and the definition of its field.
    fn value(&self, wanted: &str) -> (Value, &'v Value) {
        if let Some((group, place)) = self.entry
            && let Some(inner) = list(&group["group"], "items").find(|inner| key(inner) == wanted)
        {
            let shown = self.is_visible(&format!("{}/{place}/{wanted}", key(group)));
            let value = if shown { self.answers[key(group)][place][wanted].clone() } else { Value::Null };
            return (value, &inner["field"]["definition"]);
        }
        let item = self.item(wanted).unwrap();
        let shown = self.is_visible(wanted);
        let value = if !item["group"].is_null() {
            let count = if shown { list(self.answers, wanted).count() } else { 0 };
            count.into()
        } else if !item["score"].is_null() {
            self.before.scores.get(wanted).cloned().flatten().map_or(Value::Null, Value::String)
        } else if shown {
            self.answers[wanted].clone()
        } else {
            Value::Null
        };
        (value, &item["field"]["definition"])
    }

    fn holds(&self, condition: &Value) -> bool {
        match condition["op"].as_str().unwrap() {
            "and" => list(condition, "conditions").all(|part| self.holds(part)),
            "or" => list(condition, "conditions").any(|part| self.holds(part)),
            "not" => !self.holds(&condition["conditions"][0]),
            op => {
                let wanted = condition["field"].as_str().unwrap();
                let (value, definition) = self.value(wanted);
                // Only fields have a definition; a score is text.
                let is_group = definition.is_null() && value.is_u64();
                if op == "is_empty" {
                    return value.is_null() || (is_group && value == 0);
                }
                !value.is_null() && compares(op, &value, condition, definition)
            }
        }
    }

    /// Returns the points of an input: `None` if it is excluded, `Some(None)` if it is missing.
    #[allow(clippy::option_option, reason = "excluded, missing and given are three cases")]
    fn points(&self, input: &Value, is_count: bool) -> Option<Option<Fraction>> {
        let wanted = input["key"].as_str().unwrap();
        let item = self.item(wanted).unwrap();
        let is_hidden = !self.is_visible(wanted) || self.is_not_applicable(item);
        if is_hidden {
            return (input["hidden"] == "points").then(|| Fraction::of(&input["hidden_points"]));
        }
        let (value, definition) = self.value(wanted);
        if value.is_null() {
            return Some(None);
        }
        let chosen: Vec<&str> = match &value {
            Value::Array(keys) => keys.iter().filter_map(Value::as_str).collect(),
            value => value.as_str().into_iter().collect(),
        };
        let is_choice = definition["field_type"].as_str().is_some_and(|kind| kind.ends_with("_choice"));
        let one_if = |holds: bool| Fraction(i128::from(holds), 1);
        Some(Some(if is_count && is_choice {
            one_if(list(input, "counted_options").any(|option| chosen.contains(&option.as_str().unwrap())))
        } else if is_choice {
            let of = |points: &Value| Fraction::of(&points["points"]).unwrap();
            let given = list(input, "points").filter(|points| chosen.contains(&points["option"].as_str().unwrap()));
            let sum = given.map(of).fold(Fraction(0, 1), Fraction::plus);
            let all: Vec<Fraction> = list(input, "points").map(of).collect();
            if input["reverse"] == true { ends(&all).plus(sum.times(Fraction(-1, 1))) } else { sum }
        } else if is_count && definition["field_type"] != "boolean" {
            one_if(!Fraction::of(&value)?.is_less(Fraction::of(&input["counted_from"])?))
        } else if input["reverse"] == true {
            let bounds = &definition["validation"];
            let all = match Fraction::of(&bounds["minimum"]).zip(Fraction::of(&bounds["maximum"])) {
                Some((least, most)) => vec![least, most],
                None => vec![Fraction(0, 1), Fraction(1, 1)],
            };
            ends(&all).plus(Fraction::of(&value)?.times(Fraction(-1, 1)))
        } else {
            Fraction::of(&value)?
        }))
    }

    /// Returns `true` if an item is a score all of whose inputs are hidden and excluded.
    fn is_not_applicable(&self, item: &Value) -> bool {
        let score = &item["score"];
        !score.is_null() && list(score, "inputs").all(|input| self.points(input, score["formula"] == "count").is_none())
    }

    fn score(&self, score: &Value) -> Option<String> {
        let formula = score["formula"].as_str().unwrap();
        let counted: Vec<(Option<Fraction>, Fraction)> = list(score, "inputs")
            .filter_map(|input| {
                let weight = Fraction::of(&input["weight"]).unwrap_or(Fraction(1, 1));
                Some((self.points(input, formula == "count")?, weight))
            })
            .collect();
        let answered: Vec<(Fraction, Fraction)> =
            counted.iter().filter_map(|(points, weight)| Some(((*points)?, *weight))).collect();
        let missing = counted.len() - answered.len();
        if answered.is_empty() || missing as u64 > score["may_miss"].as_u64().unwrap_or(0) {
            return None;
        }
        let sum = answered.iter().map(|(points, weight)| points.times(*weight)).fold(Fraction(0, 1), Fraction::plus);
        let mean = sum.by(answered.iter().map(|(_, weight)| *weight).fold(Fraction(0, 1), Fraction::plus));
        let result = match formula {
            "mean" => mean,
            _ if score["if_missing"] == "prorate" => {
                mean.times(counted.iter().map(|(_, weight)| *weight).fold(Fraction(0, 1), Fraction::plus))
            }
            _ => sum,
        };
        let number = |name: &str, default: i128| Fraction::of(&score[name]).unwrap_or(Fraction(default, 1));
        let result = result.times(number("multiplier", 1)).by(number("divisor", 1)).plus(number("offset", 0));
        Some(result.rounded(u32::try_from(score["decimals"].as_u64().unwrap_or(0)).unwrap()))
    }
}

fn ends(all: &[Fraction]) -> Fraction {
    let least = all.iter().copied().reduce(|a, b| if b.is_less(a) { b } else { a }).unwrap();
    let most = all.iter().copied().reduce(|a, b| if a.is_less(b) { b } else { a }).unwrap();
    least.plus(most)
}

fn compares(op: &str, value: &Value, condition: &Value, definition: &Value) -> bool {
    let kind = definition["field_type"].as_str().unwrap_or("integer");
    let is_number = matches!(kind, "integer" | "decimal" | "scale");
    let is_text = kind == "text";
    let same = |operand: &Value| {
        if is_number {
            let (a, b) = (Fraction::of(value).unwrap(), Fraction::of(operand).unwrap());
            !a.is_less(b) && !b.is_less(a)
        } else if is_text {
            folded(value.as_str().unwrap()) == folded(operand.as_str().unwrap())
        } else {
            value == operand
        }
    };
    let operand = &condition["value"];
    // Days are ordered as their texts are.
    let less = || {
        if is_number {
            Fraction::of(value).unwrap().is_less(Fraction::of(operand).unwrap())
        } else {
            value.as_str().unwrap() < operand.as_str().unwrap()
        }
    };
    match op {
        "equals" => same(operand),
        "not_equals" => !same(operand),
        "less" => less(),
        "less_or_equal" => less() || same(operand),
        "greater" => !less() && !same(operand),
        "greater_or_equal" => !less(),
        "in" => list(condition, "values").any(same),
        "contains" if is_text => folded(value.as_str().unwrap()).contains(&folded(operand.as_str().unwrap())),
        "contains" => value.as_array().unwrap().contains(operand),
        other => panic!("no operator {other}"),
    }
}
