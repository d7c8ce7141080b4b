use poem_openapi::types::{Example as _, ParseFromJSON as _, ToJSON as _};
use proptest::prelude::*;
use serde_json::{Value, json};
use server_shared::{mark::Phi, value::DecimalNumber};

use super::*;
use crate::domain::rules::FieldFaults;

/// All types, by their names in the API.
const TYPES: [&str; 15] = [
    "text",
    "long_text",
    "integer",
    "decimal",
    "boolean",
    "date",
    "time",
    "datetime",
    "single_choice",
    "multiple_choice",
    "scale",
    "email",
    "phone",
    "file",
    "signature",
];

/// A definition as a body states it: the required fields, and `more`.
fn definition(kind: &str, more: Value) -> FieldDefinition {
    let mut body = json!({ "field_type": kind, "label": "Field", "phi": false });
    if kind.ends_with("_choice") {
        body["options"] = json!([
            { "key": "a", "label": "A" },
            { "key": "b", "label": "B" },
            { "key": "old", "label": "Old", "retired": true },
            { "key": "c", "label": "C" },
        ]);
    }
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    FieldDefinition::parse_from_json(Some(body)).ok().unwrap()
}

fn faults(definition: &FieldDefinition) -> Vec<(String, String)> {
    let mut faults = FieldFaults::default();
    definition.check("/field", &mut faults);
    faults.list().iter().map(|fault| (fault.pointer.clone(), fault.rule.to_string())).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(pointer, rule)| ((*pointer).into(), (*rule).into())).collect()
}

/// Returns the form of a value, or the broken rule.
fn parsed(definition: &FieldDefinition, value: &Value) -> Result<Value, String> {
    let fault = |fault: server_shared::error::FieldFault| {
        assert_eq!(fault.pointer, "/values/field");
        fault.rule.to_string()
    };
    definition.parse(value, "/values/field", None).map(|value| value.to_json()).map_err(fault)
}

#[test]
fn values_of_each_type_have_one_form() {
    for (kind, value, form) in [
        ("text", json!("  Cafe\u{301} "), json!("Café")),
        ("long_text", json!("one\r\ntwo "), json!("one\ntwo")),
        ("integer", json!(-7), json!(-7)),
        ("decimal", json!("1.50"), json!("1.5")),
        ("decimal", json!(0.1), json!("0.1")),
        ("decimal", json!(12), json!("12")),
        ("boolean", json!(false), json!(false)),
        ("date", json!("2026-02-28"), json!("2026-02-28")),
        ("time", json!("14:30"), json!("14:30:00")),
        ("time", json!("23:59:59"), json!("23:59:59")),
        ("datetime", json!("2026-03-01T10:00:00.123456789+02:00"), json!("2026-03-01T08:00:00.123456+00:00")),
        ("single_choice", json!("b"), json!("b")),
        ("multiple_choice", json!(["c", "a"]), json!(["a", "c"])),
        ("scale", json!(10), json!(10)),
        ("email", json!("ana@BÜCHER.example"), json!("ana@xn--bcher-kva.example")),
        ("phone", json!("+49 (0)30 123456"), json!("+4930123456")),
    ] {
        let definition = definition(kind, json!({}));
        let once = parsed(&definition, &value);
        assert_eq!(once, Ok(form.clone()), "{kind} {value}");
        assert_eq!(parsed(&definition, &form), Ok(form.clone()), "{kind}: the form is a fixed point");
        let read = FieldValue::read(definition.field_type, &form).map(|value| value.to_json());
        assert_eq!(read, Some(form), "{kind}: stored and read again");
    }
}

#[test]
fn wrong_values_break_one_rule_each() {
    for (kind, value, rule) in [
        ("text", json!(7), "type"),
        ("text", json!("  "), "min_length"),
        ("text", json!("one\ntwo"), "format"),
        ("text", json!("x".repeat(501)), "max_length"),
        ("long_text", json!("x".repeat(10_001)), "max_length"),
        ("long_text", json!("\u{200b}"), "format"),
        ("integer", json!("7"), "type"),
        ("integer", json!(0.5), "type"),
        ("integer", json!(9_007_199_254_740_992_i64), "range"),
        ("decimal", json!(true), "type"),
        ("decimal", json!("1,5"), "format"),
        ("decimal", json!(0.123_456_789_012_345_67), "format"),
        ("boolean", json!("true"), "type"),
        ("date", json!("2026-02-29"), "format"),
        ("date", json!("1849-12-31"), "format"),
        ("date", json!("+026-02-01"), "format"),
        ("time", json!("24:00"), "format"),
        ("time", json!("23:59:60"), "format"),
        ("time", json!("9:30"), "format"),
        ("datetime", json!("2026-03-01T10:00:00"), "format"),
        ("single_choice", json!("d"), "option"),
        ("single_choice", json!("old"), "retired"),
        ("single_choice", json!(["a"]), "type"),
        ("multiple_choice", json!([]), "min_items"),
        ("multiple_choice", json!("a"), "type"),
        ("multiple_choice", json!(["a", "a"]), "unique_items"),
        ("multiple_choice", json!(["a", "old"]), "retired"),
        ("multiple_choice", json!(["a", 1]), "type"),
        ("scale", json!(11), "maximum"),
        ("scale", json!(-1), "minimum"),
        ("scale", json!("5"), "type"),
        ("email", json!("ana"), "format"),
        ("phone", json!("030 123456"), "format"),
        ("phone", json!("+999 1"), "format"),
        ("file", json!("a.pdf"), "not_supported"),
        ("signature", json!({}), "not_supported"),
    ] {
        assert_eq!(parsed(&definition(kind, json!({})), &value), Err(rule.into()), "{kind} {value}");
    }
}

#[test]
fn null_is_no_value_of_any_type() {
    for kind in TYPES {
        assert!(parsed(&definition(kind, json!({})), &Value::Null).is_err(), "{kind}");
    }
}

#[test]
fn bounds_hold_at_their_edges() {
    let bound = |kind, validation: Value| definition(kind, json!({ "validation": validation }));
    for (definition, inside, outside, rule) in [
        (bound("text", json!({ "min_length": 2 })), json!("ab"), json!("a"), "min_length"),
        (bound("text", json!({ "max_length": 2 })), json!("éé"), json!("ééé"), "max_length"),
        (bound("integer", json!({ "minimum": "3" })), json!(3), json!(2), "minimum"),
        (bound("integer", json!({ "maximum": "3" })), json!(3), json!(4), "maximum"),
        (bound("decimal", json!({ "minimum": "0.1" })), json!("0.1"), json!("0.0999999999"), "minimum"),
        (bound("decimal", json!({ "maximum": "0.3" })), json!(0.3), json!("0.3000000001"), "maximum"),
        (bound("date", json!({ "earliest": "2026-01-01" })), json!("2026-01-01"), json!("2025-12-31"), "minimum"),
        (
            bound("datetime", json!({ "latest": "2026-01-01" })),
            json!("2026-01-01T23:59:59Z"),
            json!("2026-01-01T23:59:59-01:00"),
            "maximum",
        ),
        (bound("multiple_choice", json!({ "min_selected": 2 })), json!(["a", "b"]), json!(["a"]), "min_items"),
        (bound("multiple_choice", json!({ "max_selected": 1 })), json!(["a"]), json!(["a", "b"]), "max_items"),
        (bound("scale", json!({ "maximum": "100", "step": 10 })), json!(90), json!(95), "multiple_of"),
        (bound("scale", json!({ "minimum": "-3", "maximum": "3" })), json!(-3), json!(-4), "minimum"),
    ] {
        assert_eq!(faults(&definition), vec![], "{definition:?}");
        assert!(parsed(&definition, &inside).is_ok(), "{inside}");
        assert_eq!(parsed(&definition, &outside), Err(rule.into()), "{outside}");
    }
    let optional = bound("multiple_choice", json!({ "min_selected": 0 }));
    assert_eq!(parsed(&optional, &json!([])), Ok(json!([])), "an empty selection can be an answer");
}

#[test]
fn a_retired_option_stays_where_it_is_stored() {
    let (single, many) = (definition("single_choice", json!({})), definition("multiple_choice", json!({})));
    let stored = FieldValue::Choice("old".into());
    assert!(single.parse(&json!("old"), "", Some(&stored)).is_ok());
    assert!(single.parse(&json!("old"), "", Some(&FieldValue::Choice("a".into()))).is_err());
    let stored = FieldValue::Choices(vec!["a".into(), "old".into()]);
    let kept = many.parse(&json!(["old", "b"]), "", Some(&stored)).map(|value| value.to_json());
    assert_eq!(kept, Ok(json!(["b", "old"])));
}

#[test]
fn the_example_and_a_plain_field_of_each_type_are_sound() {
    assert_eq!(faults(&FieldDefinition::example()), vec![]);
    for kind in TYPES {
        let definition = definition(kind, json!({}));
        assert_eq!(faults(&definition), vec![], "{kind}");
        let again = FieldDefinition::parse_from_json(definition.to_json()).ok();
        assert_eq!(again.as_ref(), Some(&definition), "{kind}: written and read again");
    }
}

#[test]
fn all_faults_of_a_definition_are_found_at_once() {
    let broken = definition(
        "single_choice",
        json!({
            "unit": "kg",
            "options": [
                { "key": "a", "label": "Left" },
                { "key": "a", "label": "Right" },
                { "key": "b", "label": "LÉFT" },
                { "key": "c", "label": "Left", "retired": true },
            ],
            "validation": { "min_length": 1, "maximum": "3", "earliest": "2026-01-01", "step": 2 },
            "translations": [
                { "language": "ro", "label": "Mâna", "help": "Ajutor", "options": { "a": "Stânga", "x/y": "?" } },
                { "language": "RO", "label": "Mâna" },
            ],
        }),
    );
    let expected = [
        ("/field/unit", "not_applicable"),
        ("/field/options/1/key", "repeated"),
        ("/field/options/2/label", "repeated"),
        ("/field/validation/min_length", "not_applicable"),
        ("/field/validation/maximum", "not_applicable"),
        ("/field/validation/step", "not_applicable"),
        ("/field/validation/earliest", "not_applicable"),
        ("/field/translations/0/help", "not_applicable"),
        ("/field/translations/0/options/x~1y", "unknown"),
        ("/field/translations/1/language", "repeated"),
    ];
    assert_eq!(faults(&broken), pairs(&expected));
}

#[test]
fn bounds_that_no_value_meets_are_faults() {
    for (kind, more, pointer, rule) in [
        ("text", json!({ "validation": { "min_length": 3, "max_length": 2 } }), "/validation/max_length", "range"),
        ("text", json!({ "validation": { "max_length": 501 } }), "/validation/max_length", "maximum"),
        ("integer", json!({ "validation": { "minimum": "0.5" } }), "/validation/minimum", "type"),
        ("integer", json!({ "validation": { "maximum": "9007199254740992" } }), "/validation/maximum", "type"),
        ("decimal", json!({ "validation": { "minimum": "2", "maximum": "1.9" } }), "/validation/maximum", "range"),
        ("scale", json!({ "validation": { "minimum": "10" } }), "/validation/maximum", "range"),
        ("scale", json!({ "validation": { "step": 3 } }), "/validation/step", "multiple_of"),
        ("scale", json!({ "validation": { "maximum": "1001" } }), "/validation/step", "range"),
        (
            "date",
            json!({ "validation": { "earliest": "2026-01-02", "latest": "2026-01-01" } }),
            "/validation/latest",
            "range",
        ),
        ("date", json!({ "validation": { "earliest": "1849-12-31" } }), "/validation/earliest", "range"),
        ("datetime", json!({ "validation": { "latest": "+10000-01-01" } }), "/validation/latest", "range"),
        (
            "multiple_choice",
            json!({ "validation": { "min_selected": 3, "max_selected": 2 } }),
            "/validation/max_selected",
            "range",
        ),
        ("multiple_choice", json!({ "validation": { "min_selected": 4 } }), "/validation/min_selected", "maximum"),
        ("single_choice", json!({ "options": [] }), "/options", "min_items"),
        (
            "single_choice",
            json!({ "options": [{ "key": "a", "label": "A", "retired": true }] }),
            "/options",
            "min_items",
        ),
        ("boolean", json!({ "options": [{ "key": "a", "label": "A" }] }), "/options", "not_applicable"),
    ] {
        let expected = vec![(format!("/field{pointer}"), rule.to_owned())];
        assert_eq!(faults(&definition(kind, more.clone())), expected, "{kind} {more}");
    }
}

#[test]
fn an_option_that_existed_can_be_retired_and_not_removed() {
    let found = |definition: &FieldDefinition| {
        let mut faults = FieldFaults::default();
        definition.check_options_kept(["a", "old", "gone"], "", &mut faults);
        faults.list().iter().map(|fault| fault.rule.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(found(&definition("single_choice", json!({}))), ["option_removed"]);
    assert!(found(&definition("text", json!({}))).is_empty(), "other types have no options");
}

#[test]
fn values_are_in_no_debug_text() {
    let value = FieldValue::Text("Left knee".into());
    assert_eq!(format!("{value:?} {:?}", Phi::from(value.clone())), "FieldValue(…) Phi(…)");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        ".{0,12}".prop_map(Value::from),
        "[-+0-9:.TZ]{0,20}".prop_map(Value::from),
        prop_oneof!["a", "b", "c", "old"].prop_map(Value::from),
    ];
    prop_oneof![leaf.clone(), prop::collection::vec(leaf, 0..4).prop_map(Value::from)]
}

proptest! {
    /// A value that is accepted has a form that is accepted, unchanged, and that is read back as it was stored.
    #[test]
    fn forms_are_fixed_points(kind in prop::sample::select(TYPES.to_vec()), value in any_json()) {
        let definition = definition(kind, json!({}));
        if let Ok(once) = definition.parse(&value, "", None) {
            let form = once.to_json();
            let again = definition.parse(&form, "", None).map(|value| value.to_json());
            prop_assert_eq!(again, Ok(form.clone()));
            prop_assert!(FieldValue::read(definition.field_type, &form) == Some(once));
        }
    }

    /// Decimals are exact: digits that are sent come back, and two that differ in the last digit differ.
    #[test]
    fn decimals_keep_every_digit(whole in 0..1_000_000_000_000_000_000_u64, fraction in 1..=9_999_999_999_u64) {
        let text = format!("{whole}.{fraction:010}");
        let definition = definition("decimal", json!({}));
        let form = parsed(&definition, &json!(&text)).unwrap();
        let form = form.as_str().unwrap();
        let zeros = "0".repeat(text.len() - form.len());
        prop_assert_eq!(format!("{form}{zeros}"), text);
        let less = DecimalNumber::parse(&format!("{whole}.{:010}", fraction - 1));
        prop_assert!(less < DecimalNumber::parse(form));
    }

    /// A definition never makes the check fail otherwise than by faults, and a sound one accepts a value at each bound.
    #[test]
    fn a_sound_range_of_integers_accepts_exactly_its_values(
        least in -1000..1000_i64, most in -1000..1000_i64, value in -1100..1100_i64,
    ) {
        let bounds = json!({ "minimum": least.to_string(), "maximum": most.to_string() });
        let definition = definition("integer", json!({ "validation": bounds }));
        prop_assert_eq!(faults(&definition).is_empty(), least <= most);
        if least <= most {
            prop_assert_eq!(parsed(&definition, &json!(value)).is_ok(), (least..=most).contains(&value));
        }
    }

    /// Positions of a scale are what counting from its first one reaches.
    #[test]
    fn positions_of_a_scale_are_counted(
        first in -50..50_i64, steps in 1..20_i64, step in 1..10_i64, value in -60..300_i64,
    ) {
        let last = first + steps * step;
        let bounds = json!({ "minimum": first.to_string(), "maximum": last.to_string(), "step": step });
        let definition = definition("scale", json!({ "validation": bounds }));
        prop_assert!(faults(&definition).is_empty());
        let counted = (0..=steps).any(|count| first + count * step == value);
        prop_assert_eq!(parsed(&definition, &json!(value)).is_ok(), counted);
    }
}
