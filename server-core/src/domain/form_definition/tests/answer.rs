use serde_json::{Value, json};

use super::{compiled, evaluated, expected, form, item, object, pairs, read, reported};
use crate::domain::{form_definition::Compiled, rules::FieldFaults};

fn id(number: u8) -> String {
    format!("00000000-0000-4000-8000-0000000000{number:02}")
}

fn medication() -> Compiled {
    compiled(form(json!([
        item("note", "text", json!({ "field": { "required": true } })),
        item("dose", "decimal", json!({})),
        { "key": "total", "score": { "label": "Total", "formula": "sum", "inputs": [{ "key": "dose" }] } },
        { "key": "text", "text": { "text": "Text" } },
        { "key": "drugs", "group": { "label": "Drugs", "min_entries": 2, "max_entries": 3, "items": [
            item("name", "text", json!({ "field": { "required": true } })),
            item("since", "date", json!({
                "field": { "required_if": { "op": "equals", "field": "name", "value": "Known" } },
                "visible_if": { "op": "not_equals", "field": "name", "value": "hidden" },
            })),
        ] } },
    ])))
}

#[test]
fn every_fault_of_answers_is_listed_with_its_pointer() {
    let entry = |more: Value| {
        let mut entry = json!({ "id": id(1), "name": "A" });
        super::merge(&mut entry, more);
        entry
    };
    let (answers, faults) = read(
        &medication(),
        json!({
            "note": 5,
            "dose": "1e3",
            "total": 3,
            "text": "x",
            "other/key": 1,
            "drugs": [
                entry(json!({ "since": "2026-02-30", "more": 1 })),
                entry(json!({})),
                { "id": "1", "name": "B" },
            ],
        }),
    );
    assert_eq!(
        pairs(&faults),
        expected(&[
            ("/note", "type"),
            ("/dose", "format"),
            ("/total", "not_applicable"),
            ("/text", "not_applicable"),
            ("/other~1key", "unknown"),
            ("/drugs/0/since", "format"),
            ("/drugs/0/more", "unknown"),
            ("/drugs/1/id", "repeated"),
            ("/drugs/2/id", "format"),
        ])
    );
    let kept = json!({ "drugs": [{ "id": id(1), "name": "A" }] });
    assert_eq!(json!(medication().write(&answers, None)), kept, "answers without a fault are read");
    let many: Vec<Value> = (0..4).map(|number| json!({ "id": id(number) })).collect();
    for (drugs, rule) in [(json!(many), "max_items"), (json!({}), "type")] {
        assert_eq!(pairs(&read(&medication(), json!({ "drugs": drugs })).1), expected(&[("/drugs", rule)]));
    }
    let drugs = json!([7, { "name": "A" }]);
    let faults = pairs(&read(&medication(), json!({ "drugs": drugs })).1);
    assert_eq!(faults, expected(&[("/drugs/0", "type"), ("/drugs/1/id", "required")]));
}

#[test]
fn answers_have_one_form_in_the_order_of_the_items() {
    let (answers, _) = evaluated(
        &medication(),
        json!({
            "drugs": [{ "since": "2026-03-01", "name": " A ", "id": id(7).to_uppercase() }],
            "dose": "1.50",
            "note": null,
        }),
    );
    let written = serde_json::to_string(&medication().write(&answers, None)).unwrap();
    let form = json!({ "dose": "1.5", "drugs": [{ "id": id(7), "name": "A", "since": "2026-03-01" }] });
    assert_eq!(written, form.to_string());
    let (again, _) = evaluated(&medication(), serde_json::from_str(&written).unwrap());
    assert_eq!(serde_json::to_string(&medication().write(&again, None)).unwrap(), written);
}

#[test]
fn a_group_without_entries_is_written_like_one_without_an_answer() {
    let compiled = medication();
    let (none, without) = evaluated(&compiled, json!({ "note": "x", "drugs": [] }));
    let (absent, _) = evaluated(&compiled, json!({ "note": "x" }));
    assert_eq!(compiled.write(&none, None), compiled.write(&absent, None));
    assert_eq!(json!(compiled.write(&none, Some(&without))), json!({ "note": "x" }), "submitted, too");
}

#[test]
fn required_answers_that_are_missing_are_listed_with_their_pointers() {
    let compiled = medication();
    let required = |answers: Value| {
        let (_, evaluation) = evaluated(&compiled, answers);
        let mut faults = FieldFaults::default();
        compiled.require(&evaluation, "/values", &mut faults);
        pairs(&faults)
    };
    assert_eq!(required(json!({})), expected(&[("/values/note", "required"), ("/values/drugs", "min_items")]));
    let drugs = json!([{ "id": id(1), "name": "known" }, { "id": id(2) }, { "id": id(3), "name": "B" }]);
    assert_eq!(
        required(json!({ "note": "x", "drugs": drugs })),
        expected(&[("/values/drugs/0/since", "required"), ("/values/drugs/1/name", "required")])
    );
}

#[test]
fn hidden_answers_are_kept_in_a_draft_and_dropped_at_submit() {
    let compiled = medication();
    let drugs = json!([{ "id": id(1), "name": "Hidden", "since": "2026-03-01" }, { "id": id(2), "name": "B" }]);
    let (answers, evaluation) = evaluated(&compiled, json!({ "note": "x", "drugs": drugs }));
    assert_eq!(json!(compiled.write(&answers, None))["drugs"], drugs);
    let submitted = json!([{ "id": id(1), "name": "Hidden" }, { "id": id(2), "name": "B" }]);
    assert_eq!(json!(compiled.write(&answers, Some(&evaluation)))["drugs"], submitted);
    let report = reported(&compiled, json!({ "drugs": drugs }));
    assert_eq!(report.hidden_answers, ["/drugs/0/since"]);
}

#[test]
fn pointers_of_a_report_are_those_of_what_was_sent() {
    let drugs = json!([{ "id": "none" }, { "id": id(1), "name": "hidden", "since": "2026-03-01" }]);
    let report = reported(&medication(), json!({ "note": "x", "drugs": drugs }));
    let faults: Vec<(&str, &str)> = report.faults.iter().map(|fault| (&*fault.pointer, &*fault.rule)).collect();
    assert_eq!(faults, [("/drugs/0/id", "format")]);
    assert_eq!(
        report.hidden_answers,
        ["/drugs/1/since"],
        "an entry with a fault is left out, the others keep their place"
    );
    let drugs = json!([{ "id": "none" }, { "id": id(1) }]);
    let report = reported(&medication(), json!({ "note": "x", "drugs": drugs }));
    let missing: Vec<(&str, &str)> =
        report.missing_answers.iter().map(|fault| (&*fault.pointer, &*fault.rule)).collect();
    assert_eq!(missing, [("/drugs", "min_items"), ("/drugs/1/name", "required")]);
}

#[test]
fn a_retired_option_stays_where_it_is_and_is_taken_nowhere_else() {
    let options = json!([{ "key": "old", "label": "Old", "retired": true }, { "key": "new", "label": "New" }]);
    let choice = |key: &str| item(key, "single_choice", json!({ "field": { "definition": { "options": options } } }));
    let of = |chosen: &str| {
        let entries = json!([{ "id": id(1), "one": chosen }, { "id": id(2), "one": "new" }]);
        json!({ "one": chosen, "group": entries })
    };
    let compiled = compiled(form(json!([
        choice("one"),
        { "key": "group", "group": { "label": "Group", "max_entries": 3, "items": [choice("one")] } },
    ])));
    let mut ignored = FieldFaults::default();
    let (fresh, faults) = read(&compiled, of("old"));
    assert_eq!(pairs(&faults), expected(&[("/one", "retired"), ("/group/0/one", "retired")]));
    assert!(fresh.value(0).is_none());
    // As answered while the option could still be chosen.
    let current = || {
        let options = json!([{ "key": "old", "label": "Old" }]);
        item("one", "single_choice", json!({ "field": { "definition": { "options": options } } }))
    };
    let before = super::compiled(form(json!([
        current(),
        { "key": "group", "group": { "label": "Group", "max_entries": 3, "items": [current()] } },
    ])));
    let stored = json!({ "one": "old", "group": [{ "id": id(1), "one": "old" }] });
    let stored = before.read(&object(stored), None, "", &mut ignored);
    let mut faults = FieldFaults::default();
    compiled.read(&object(of("old")), Some(&stored), "", &mut faults);
    assert!(faults.list().is_empty(), "{faults:?}");
    let swapped = json!({ "group": [{ "id": id(2), "one": "old" }] });
    compiled.read(&object(swapped), Some(&stored), "", &mut faults);
    assert_eq!(pairs(&faults), expected(&[("/group/0/one", "retired")]), "another entry does not have it");
}
