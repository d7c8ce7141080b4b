use serde_json::{Value, json};
use server_shared::value::Key;

use super::{compiled, form, item, merge, reported};
use crate::domain::form_definition::evaluate::ScoreState;

/// Returns state, value and band of the score `total`.
fn total(definition: &Value, answers: Value) -> (ScoreState, Option<String>, Option<String>) {
    let report = reported(&compiled(definition.clone()), answers);
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    let score = report.scores.into_iter().find(|score| score.key.as_str() == "total").expect("the score `total`");
    (score.state, score.value.map(|value| value.to_string()), score.band.map(Key::into_inner))
}

fn value(definition: &Value, answers: Value) -> Option<String> {
    total(definition, answers).1
}

/// Scores all cases of a questionnaire, and the answers in them one by one as they come in.
fn check(fixture: &str) {
    let fixture: Value = serde_json::from_str(fixture).unwrap();
    for case in fixture["cases"].as_array().unwrap() {
        let (state, value, band) = total(&fixture["definition"], case["answers"].clone());
        let state = format!("{state:?}").to_lowercase();
        assert_eq!(
            (json!(state), json!(value), json!(band)),
            (case["state"].clone(), case["value"].clone(), case["band"].clone()),
            "{}",
            case["name"]
        );
    }
}

#[test]
fn phq_9_is_scored_as_published() {
    check(include_str!("fixtures/phq_9.json"));
}

#[test]
fn dash_is_scored_as_published() {
    check(include_str!("fixtures/dash.json"));
}

#[test]
fn oswestry_is_scored_as_published() {
    check(include_str!("fixtures/oswestry.json"));
}

/// A form with three numbers, and a score of them with `more` in it.
fn numbers(more: Value) -> Value {
    let mut score =
        json!({ "label": "Total", "formula": "sum", "inputs": [{ "key": "a" }, { "key": "b" }, { "key": "c" }] });
    merge(&mut score, more);
    let bounds = json!({ "minimum": "0", "maximum": "10" });
    let gate = json!({ "op": "not", "conditions": [{ "op": "equals", "field": "gate", "value": true }] });
    form(json!([
        item("gate", "boolean", json!({})),
        item("a", "decimal", json!({ "field": { "definition": { "validation": bounds } } })),
        item("b", "integer", json!({})),
        item("c", "decimal", json!({ "visible_if": gate })),
        { "key": "total", "score": score },
    ]))
}

#[test]
fn formulas_add_average_weigh_and_count() {
    let answers = json!({ "a": "1.5", "b": 2, "c": "4" });
    for (more, expected) in [
        (json!({ "decimals": 1 }), "7.5"),
        (json!({}), "8"),
        (json!({ "formula": "mean", "decimals": 2 }), "2.5"),
        (
            json!({ "formula": "weighted", "inputs": [
            { "key": "a", "weight": "2" }, { "key": "b", "weight": "-0.5" }, { "key": "c" },
        ] }),
            "6",
        ),
        (
            json!({ "formula": "count", "inputs": [
            { "key": "a", "counted_from": "1.5" },
            { "key": "b", "counted_from": "3" },
            { "key": "c", "counted_from": "0" },
        ] }),
            "2",
        ),
        (json!({ "inputs": [{ "key": "a", "reverse": true }], "decimals": 1 }), "8.5"),
        (json!({ "multiplier": "2", "divisor": "3", "offset": "-1", "decimals": 3 }), "4"),
    ] {
        assert_eq!(value(&numbers(more.clone()), answers.clone()).as_deref(), Some(expected), "{more}");
    }
}

#[test]
fn a_half_is_rounded_away_from_zero_and_thirds_stay_exact() {
    let answers = |a: &str| json!({ "a": a, "b": 0, "c": "0" });
    for (more, a, expected) in [
        (json!({}), "0.5", "1"),
        (json!({ "multiplier": "-1" }), "0.5", "-1"),
        (json!({ "multiplier": "-1" }), "0.4", "0"),
        (json!({ "decimals": 2 }), "1.005", "1.01"),
        // A sixth times three: rounding before the last step would make 0.4999… of it.
        (json!({ "multiplier": "3", "divisor": "6" }), "1", "1"),
        (json!({ "formula": "mean", "multiplier": "3", "divisor": "2" }), "1", "1"),
    ] {
        assert_eq!(value(&numbers(more.clone()), answers(a)).as_deref(), Some(expected), "{more} {a}");
    }
}

#[test]
fn answers_may_be_missing_up_to_a_number() {
    let omit = numbers(json!({ "may_miss": 1, "if_missing": "omit" }));
    let prorate = numbers(json!({ "may_miss": 1, "if_missing": "prorate" }));
    assert_eq!(value(&omit, json!({ "a": "1", "b": 3 })).as_deref(), Some("4"));
    assert_eq!(value(&prorate, json!({ "a": "1", "b": 3 })).as_deref(), Some("6"));
    for definition in [&omit, &prorate] {
        assert_eq!(total(definition, json!({ "a": "1" })).0, ScoreState::Missing);
    }
    let weighted = numbers(json!({ "formula": "weighted", "may_miss": 1, "if_missing": "prorate", "inputs": [
        { "key": "a", "weight": "1" }, { "key": "b", "weight": "3" }, { "key": "c", "weight": "4" },
    ] }));
    assert_eq!(value(&weighted, json!({ "a": "2", "b": 4 })).as_deref(), Some("28"), "14 of weight 4, prorated to 8");
}

#[test]
fn a_hidden_input_is_excluded_or_has_stated_points_and_is_never_missing() {
    let excluded = numbers(json!({ "formula": "mean", "decimals": 1 }));
    let hidden = json!({ "gate": true, "a": "1", "b": 2, "c": "9" });
    assert_eq!(value(&excluded, hidden.clone()).as_deref(), Some("1.5"), "its answer does not count either");
    let stated = numbers(json!({ "formula": "mean", "inputs": [
        { "key": "a" }, { "key": "b" }, { "key": "c", "hidden": "points", "hidden_points": "6" },
    ] }));
    assert_eq!(value(&stated, hidden).as_deref(), Some("3"));
    assert_eq!(total(&stated, json!({ "a": "1", "b": 2 })).0, ScoreState::Missing, "visible without an answer");
    let only = numbers(json!({ "inputs": [{ "key": "c" }] }));
    assert_eq!(total(&only, json!({ "gate": true, "c": "9" })).0, ScoreState::NotApplicable);
    let only = numbers(json!({ "inputs": [{ "key": "c", "hidden": "points", "hidden_points": "6" }] }));
    assert_eq!(value(&only, json!({ "gate": true })).as_deref(), Some("6"));
}

#[test]
fn options_have_points() {
    let choice = |score: Value| {
        form(json!([
            item("one", "single_choice", json!({})),
            item("many", "multiple_choice", json!({})),
            item("truth", "boolean", json!({})),
            { "key": "total", "score": score },
        ]))
    };
    let points =
        json!([{ "option": "a", "points": "1" }, { "option": "b", "points": "2.5" }, { "option": "c", "points": "4" }]);
    let score = choice(json!({ "label": "Total", "formula": "sum", "decimals": 1, "inputs": [
        { "key": "one", "points": points, "reverse": true },
        { "key": "many", "points": points },
        { "key": "truth", "reverse": true },
    ] }));
    let answers = json!({ "one": "a", "many": ["a", "b"], "truth": false });
    assert_eq!(value(&score, answers.clone()).as_deref(), Some("8.5"), "4, 1 + 2.5 and 1");
    let count = choice(json!({ "label": "Total", "formula": "count", "inputs": [
        { "key": "one", "counted_options": ["b", "c"] },
        { "key": "many", "counted_options": ["b", "c"] },
        { "key": "truth" },
    ] }));
    assert_eq!(value(&count, answers).as_deref(), Some("1"));
}

#[test]
fn scores_use_scores_and_conditions_see_them() {
    let condition = json!({ "op": "greater_or_equal", "field": "total", "value": "5" });
    let definition = form(json!([
        { "key": "advice", "visible_if": condition, "text": { "text": "Call us" } },
        { "key": "total", "score": {
            "label": "Total", "formula": "sum", "multiplier": "2", "inputs": [{ "key": "part" }],
        } },
        { "key": "part", "score": { "label": "Part", "formula": "mean", "inputs": [{ "key": "a" }, { "key": "b" }] } },
        item("a", "integer", json!({})),
        item("b", "integer", json!({})),
    ]));
    assert_eq!(value(&definition, json!({ "a": 2, "b": 3 })).as_deref(), Some("6"), "of the rounded part");
    let shown = |answers: Value| super::visible(&compiled(definition.clone()), answers).contains(&"advice".to_owned());
    assert!(shown(json!({ "a": 2, "b": 3 })));
    assert!(!shown(json!({ "a": 2, "b": 2 })));
    assert!(!shown(json!({ "a": 9 })), "a score that is missing compares as a missing answer");
}

#[test]
fn numbers_too_large_for_a_score_make_none_and_no_panic() {
    let most = "999999999999999999.9999999999";
    let field = |key: &str| item(key, "decimal", json!({}));
    for score in [
        json!({ "formula": "sum" }),
        json!({ "formula": "sum", "multiplier": most }),
        json!({ "formula": "sum", "multiplier": most, "divisor": "0.0000000001" }),
        json!({ "formula": "weighted", "inputs": [{ "key": "a", "weight": most }, { "key": "b", "weight": most }] }),
        json!({ "formula": "mean", "divisor": "0.0000000001", "offset": most }),
    ] {
        let mut total_score = json!({ "label": "Total", "inputs": [{ "key": "a" }, { "key": "b" }] });
        merge(&mut total_score, score.clone());
        let definition = form(json!([field("a"), field("b"), { "key": "total", "score": total_score }]));
        assert_eq!(total(&definition, json!({ "a": most, "b": most })).0, ScoreState::OutOfRange, "{score}");
    }
}

#[test]
fn bands_hold_their_ends_and_gaps_have_none() {
    let definition = numbers(json!({ "inputs": [{ "key": "b" }], "bands": [
        { "key": "high", "label": "High", "from": "10" },
        { "key": "low", "label": "Low", "to": "4" },
        { "key": "middle", "label": "Middle", "from": "6", "to": "9" },
    ] }));
    let cases =
        [(-3, Some("low")), (4, Some("low")), (5, None), (6, Some("middle")), (9, Some("middle")), (10, Some("high"))];
    for (answer, band) in cases {
        assert_eq!(total(&definition, json!({ "b": answer })).2.as_deref(), band, "{answer}");
    }
}

#[test]
fn a_score_is_protected_if_an_input_is_unless_it_is_cleared() {
    let open = json!({ "field": { "definition": { "phi": false } } });
    let score =
        |key: &str, inputs: Value| json!({ "key": key, "score": { "label": key, "formula": "sum", "inputs": inputs } });
    let compiled = compiled(form(json!([
        score("of_score", json!([{ "key": "of_both" }])),
        score("of_both", json!([{ "key": "open" }, { "key": "protected" }])),
        score("of_open", json!([{ "key": "open" }])),
        item("open", "integer", open),
        item("protected", "integer", json!({})),
    ])));
    let phi = |cleared: &[&'static str]| -> Vec<(String, bool)> {
        let cleared: Vec<Key> = cleared.iter().copied().map(Key::from_static).collect();
        compiled.scores(&cleared).into_iter().map(|(key, phi)| (key.as_str().to_owned(), phi)).collect()
    };
    let expected = |states: [bool; 3]| -> Vec<(String, bool)> {
        ["of_score", "of_both", "of_open"].map(str::to_owned).into_iter().zip(states).collect()
    };
    assert_eq!(phi(&[]), expected([true, true, false]));
    assert_eq!(phi(&["of_both"]), expected([false, false, false]));
    assert_eq!(phi(&["of_score"]), expected([false, true, false]));
}

#[test]
fn a_score_is_protected_if_its_inputs_are_shown_for_a_protected_answer() {
    let open = |key: &str, visible_if: Value| {
        let more = json!({ "field": { "definition": { "phi": false } }, "visible_if": visible_if });
        item(key, "integer", more)
    };
    let score = |key: &str, input: Value, visible_if: Value| {
        let score = json!({ "label": key, "formula": "sum", "inputs": [input] });
        json!({ "key": key, "visible_if": visible_if, "score": score })
    };
    let given = |key: &str| json!({ "op": "not", "conditions": [{ "op": "is_empty", "field": key }] });
    let stated = json!({ "key": "shown_for_it", "hidden": "points", "hidden_points": "5" });
    let compiled = compiled(form(json!([
        item("protected", "integer", json!({})),
        open("open", Value::Null),
        open("shown_for_it", given("protected")),
        open("shown_for_that", given("shown_for_it")),
        open("shown_for_open", given("open")),
        score("a", stated, Value::Null),
        score("b", json!({ "key": "shown_for_that" }), Value::Null),
        score("c", json!({ "key": "shown_for_open" }), Value::Null),
        score("d", json!({ "key": "open" }), given("protected")),
        score("e", json!({ "key": "open" }), given("d")),
    ])));
    let phi = |cleared: &[Key]| -> String {
        compiled.scores(cleared).into_iter().filter(|(_, phi)| *phi).map(|(key, _)| key.as_str()).collect()
    };
    assert_eq!(phi(&[]), "abde");
    assert_eq!(phi(&[Key::from_static("d")]), "ab", "what depends on a cleared score tells no more than it");
}
