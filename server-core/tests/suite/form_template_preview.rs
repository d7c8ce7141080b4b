//! `/v1/form-templates/{id}/preview`: what a form shows, requires and computes for values that are not stored.

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Actor, Answer, CoreApp, Refusal};

use crate::{
    audit::Trail,
    form_template::{create, custom_field, definition, pinned, redraft, scale},
    form_template_publish::publish,
};

async fn ask(actor: &Actor, template: i64, body: &Value) -> Answer {
    let path = format!("/v1/form-templates/{template}/preview");
    Answer::to(actor.request(Method::POST, &path).json(body)).await
}

/// Previews a template with this body.
pub(crate) async fn preview(actor: &Actor, template: i64, body: &Value) -> Value {
    ask(actor, template, body).await.json(200)
}

async fn refusal(actor: &Actor, template: i64, body: &Value) -> Refusal {
    ask(actor, template, body).await.refusal(422, "validation_failed")
}

/// Returns the entry of a list of the evaluation with this key.
fn of<'a>(preview: &'a Value, list: &str, key: &str) -> &'a Value {
    let entries = preview["evaluation"][list].as_array().unwrap();
    entries.iter().find(|entry| entry["key"] == key).unwrap_or_else(|| panic!("{list} has no {key}: {preview:#}"))
}

/// Returns the keys of the items of which the evaluation says this.
fn keys<'a>(preview: &'a Value, state: &str) -> Vec<&'a str> {
    let items = preview["evaluation"]["items"].as_array().unwrap();
    items.iter().filter(|item| item[state] == true).map(|item| item["key"].as_str().unwrap()).collect()
}

/// Returns the faults of a list of the evaluation as pairs of pointer and rule.
fn faults<'a>(preview: &'a Value, list: &str) -> Vec<(&'a str, &'a str)> {
    let faults = preview["evaluation"][list].as_array().unwrap();
    faults.iter().map(|fault| (fault["pointer"].as_str().unwrap(), fault["rule"].as_str().unwrap())).collect()
}

/// Returns PHQ-9 without its texts: nine items of 0 to 3 points, of which at most two may be missing and are then
/// replaced by the mean of the others, and the published bands of the sum.
fn phq9() -> Value {
    let key = |number: usize| format!("item_{number}");
    let mut items: Vec<Value> = (1..=9).map(|number| scale(&key(number))).collect();
    for item in &mut items {
        item["field"]["definition"]["validation"] = json!({ "minimum": "0", "maximum": "3" });
    }
    let bands =
        [("minimal", 0, 4), ("mild", 5, 9), ("moderate", 10, 14), ("moderately_severe", 15, 19), ("severe", 20, 27)];
    let bands = bands
        .map(|(key, from, to)| json!({ "key": key, "label": key, "from": from.to_string(), "to": to.to_string() }));
    let inputs: Vec<Value> = (1..=9).map(|number| json!({ "key": key(number) })).collect();
    items.push(json!({ "key": "total", "score": {
        "label": "PHQ-9", "formula": "sum", "inputs": inputs, "may_miss": 2, "if_missing": "prorate", "bands": bands,
    } }));
    definition(&items)
}

/// Returns answers to the items of PHQ-9, of which some may be missing.
fn answers(points: [Option<i64>; 9]) -> Value {
    let given = points.into_iter().enumerate().filter_map(|(place, points)| Some((place, points?)));
    let values: serde_json::Map<_, _> =
        given.map(|(place, points)| (format!("item_{}", place + 1), json!(points))).collect();
    json!({ "values": values })
}

#[tokio::test]
async fn scores_are_those_of_the_published_rules() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let template = create(&admin, "PHQ-9", &phq9()).await.id;
    let all = |points| [Some(points); 9];
    let mut missing = all(2);
    missing[3] = None;
    let mut two_missing = [Some(3), Some(3), Some(1), Some(0), Some(2), Some(2), Some(1), None, None];
    for (points, value, band) in [
        (all(0), "0", "minimal"),
        ([Some(1), Some(1), Some(1), Some(1), Some(0), Some(0), Some(0), Some(0), Some(0)], "4", "minimal"),
        (all(1), "9", "mild"),
        ([Some(2), Some(2), Some(2), Some(1), Some(1), Some(1), Some(1), Some(0), Some(0)], "10", "moderate"),
        (all(2), "18", "moderately_severe"),
        (all(3), "27", "severe"),
        // The mean of the others stands for what is missing: 16 / 8 × 9, and 12 / 7 × 9 = 15.43, rounded.
        (missing, "18", "moderately_severe"),
        (two_missing, "15", "moderately_severe"),
    ] {
        let shown = preview(&app.specialist(), template, &answers(points)).await;
        let score = of(&shown, "scores", "total");
        assert_eq!((&score["state"], &score["value"], &score["band"]), (&json!("scored"), &json!(value), &json!(band)));
    }
    two_missing[0] = None;
    let shown = preview(&app.staff(), template, &answers(two_missing)).await;
    let score = of(&shown, "scores", "total");
    assert_eq!((&score["state"], &score["value"]), (&json!("missing"), &Value::Null), "three are too many");
}

#[tokio::test]
async fn conditions_decide_what_is_visible_and_required() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let mut cause = json!({ "key": "cause", "field": { "required": true,
        "definition": { "field_type": "text", "label": "Cause", "phi": true } } });
    cause["visible_if"] = json!({ "op": "greater_or_equal", "field": "pain", "value": 4 });
    let mut since = json!({ "key": "since", "field": {
        "definition": { "field_type": "date", "label": "Since", "phi": true } } });
    since["field"]["required_if"] = json!({ "op": "not", "conditions": [{ "op": "is_empty", "field": "cause" }] });
    let template = create(&admin, "Pain", &definition(&[scale("pain"), cause, since])).await.id;
    let shown = preview(&admin, template, &json!({})).await;
    assert_eq!((keys(&shown, "visible"), keys(&shown, "required")), (vec!["pain", "since"], vec![]));
    let shown = preview(&admin, template, &json!({ "values": { "pain": 7 } })).await;
    assert_eq!((keys(&shown, "visible"), keys(&shown, "missing")), (vec!["pain", "cause", "since"], vec!["cause"]));
    let shown = preview(&admin, template, &json!({ "values": { "pain": 7, "cause": "Fall" } })).await;
    assert_eq!((keys(&shown, "required"), keys(&shown, "missing")), (vec!["cause", "since"], vec!["since"]));
    // An answer that is hidden counts for nothing, and is named.
    let shown = preview(&admin, template, &json!({ "values": { "pain": 3, "cause": "Fall" } })).await;
    assert_eq!((keys(&shown, "visible"), keys(&shown, "required")), (vec!["pain", "since"], vec![]));
    assert_eq!(shown["evaluation"]["hidden_answers"], json!(["/values/cause"]));

    assert_eq!(shown["evaluation"]["kept_answers"], json!({ "pain": 3 }), "submitting would drop it");

    // Every fault of the values is named, and the form is shown all the same.
    let wrong = json!({ "values": { "pain": 11, "since": "yesterday", "nothing": 1 } });
    let shown = preview(&admin, template, &wrong).await;
    let mut pointers: Vec<_> =
        shown["evaluation"]["faults"].as_array().unwrap().iter().map(|fault| fault["pointer"].clone()).collect();
    pointers.sort_by_key(ToString::to_string);
    assert_eq!(pointers, ["/values/nothing", "/values/pain", "/values/since"]);
    assert_eq!(shown["evaluation"]["kept_answers"], json!({}), "nor would it keep what is wrong");
}

#[tokio::test]
async fn what_submitting_would_keep_and_miss_is_told() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let field = |key: &str, kind: &str, required: bool| {
        json!({ "key": key, "field": { "required": required,
            "definition": { "field_type": kind, "label": key, "phi": true } } })
    };
    let mut since = field("since", "date", false);
    since["visible_if"] = json!({ "op": "equals", "field": "name", "value": "known" });
    since["field"]["required_if"] = json!({ "op": "equals", "field": "name", "value": "known" });
    let drugs = json!({ "key": "drugs", "group": {
        "label": "Drugs", "min_entries": 3, "max_entries": 5, "items": [field("name", "text", true), since],
    } });
    let items = [field("note", "text", true), field("dose", "decimal", true), drugs];
    let template = create(&admin, "Drugs", &definition(&items)).await.id;
    let shown = preview(&admin, template, &json!({})).await;
    let missing = [("/values/note", "required"), ("/values/dose", "required"), ("/values/drugs", "min_items")];
    assert_eq!(faults(&shown, "missing_answers"), missing);
    assert_eq!((faults(&shown, "faults"), &shown["evaluation"]["kept_answers"]), (vec![], &json!({})));

    // The pointers are those of what was sent, also past an entry that is no entry.
    let id = |number: u8| format!("0000000a-0000-4000-8000-0000000000{number:02}");
    let shown = preview(
        &admin,
        template,
        &json!({ "values": { "note": " A  note ", "dose": "1.50", "drugs": [
            { "name": "nameless" },
            { "id": id(1).to_uppercase(), "name": "Known" },
            { "id": id(2), "since": "2026-03-01" },
        ] } }),
    )
    .await;
    assert_eq!(faults(&shown, "faults"), [("/values/drugs/0/id", "required")]);
    let missing =
        [("/values/drugs", "min_items"), ("/values/drugs/1/since", "required"), ("/values/drugs/2/name", "required")];
    assert_eq!(faults(&shown, "missing_answers"), missing);
    assert_eq!(shown["evaluation"]["hidden_answers"], json!(["/values/drugs/2/since"]));
    let kept = &shown["evaluation"]["kept_answers"];
    assert_eq!(kept["dose"], "1.5", "each answer in its one form");
    assert_eq!(kept["drugs"], json!([{ "id": id(1), "name": "Known" }, { "id": id(2) }]));
    // Answers that are kept are kept again as they are.
    let again = preview(&admin, template, &json!({ "values": kept })).await;
    assert_eq!((&again["evaluation"]["kept_answers"], faults(&again, "faults")), (kept, vec![]));
}

#[tokio::test]
async fn a_preview_stores_nothing() {
    const PLANTED: &str = "Quokkaphobia";
    let app = CoreApp::start().await;
    let admin = app.admin();
    let text =
        json!({ "key": "fear", "field": { "definition": { "field_type": "text", "label": "Fear", "phi": true } } });
    let template = create(&admin, "Fears", &definition(&[text])).await;
    let mut trail = Trail::new(&app).await;
    trail.next().await;
    let shown = preview(&admin, template.id, &json!({ "values": { "fear": PLANTED } })).await;
    assert_eq!(keys(&shown, "visible"), ["fear"]);
    let faulty = preview(&admin, template.id, &json!({ "values": { "fear": [PLANTED] } })).await;
    assert_eq!(faulty["evaluation"]["faults"].as_array().unwrap().len(), 1);
    let rows: Vec<_> =
        trail.next().await.into_iter().filter(|row| row.operation_id == "form_template_preview").collect();
    assert_eq!(rows, []);
    let places = app.search(PLANTED).await;
    assert!(places.is_empty(), "{places:?}");
    assert!(!app.server.log().contains(PLANTED), "nor is it logged");
    assert!(!faulty["evaluation"].to_string().contains(PLANTED), "nor repeated");
}

#[tokio::test]
async fn a_preview_is_in_the_language_that_is_asked_for() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let mut pain = scale("pain");
    pain["field"]["definition"]["label"] = json!("Pain");
    pain["field"]["definition"]["translations"] = json!([{ "language": "ro", "label": "Durere" }]);
    let field = custom_field(&admin, "allergies").await;
    let template = create(&admin, "Pain", &definition(&[pain, pinned("allergies", field, 1)])).await.id;
    let label = |shown: &Value, item: usize| {
        shown["definition"]["sections"][0]["items"][item]["field"]["definition"]["label"].as_str().unwrap().to_owned()
    };
    for (language, expected) in
        [(None, "Pain"), (Some("ro"), "Durere"), (Some("ro-MD"), "Durere"), (Some("fr"), "Pain")]
    {
        let mut body = json!({});
        if let Some(language) = language {
            body["language"] = json!(language);
        }
        let shown = preview(&admin, template, &body).await;
        assert_eq!(label(&shown, 0), expected, "{language:?}");
        assert_eq!(label(&shown, 1), "allergies", "the definition of a custom field comes with the form");
    }
    let refusal = ask(&admin, template, &json!({ "language": "no language" })).await;
    assert_eq!(refusal.refusal(422, "validation_failed").fields()[0].0, "/language");
}

#[tokio::test]
async fn the_draft_or_a_version_is_previewed() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let template = create(&admin, "Pain", &definition(&[scale("pain")])).await;
    let of_version = |version: i32| json!({ "version": version, "values": {} });
    assert_eq!(refusal(&admin, template.id, &of_version(1)).await.fields(), [("/version", "unknown_reference")]);
    publish(&admin, &template).await;
    let mut faulty = scale("fatigue");
    faulty["visible_if"] = json!({ "op": "is_empty", "field": "nothing" });
    let template = redraft(&admin, &template, &definition(&[faulty])).await;
    let shown = preview(&admin, template.id, &of_version(1)).await;
    assert_eq!(keys(&shown, "visible"), ["pain"]);
    assert_eq!(refusal(&admin, template.id, &of_version(2)).await.fields(), [("/version", "unknown_reference")]);
    // A draft with faults says which.
    let refused = refusal(&admin, template.id, &json!({ "values": {} })).await;
    assert_eq!(refused.fields(), [("/definition/sections/0/items/0/visible_if/field", "unknown_reference")]);
    let template = redraft(&admin, &template, &definition(&[scale("fatigue")])).await;
    let shown = preview(&admin, template.id, &json!({ "values": {} })).await;
    assert_eq!(keys(&shown, "visible"), ["fatigue"]);
    let unknown = ask(&admin, 9_007_199_254_740_991, &json!({ "values": {} })).await;
    unknown.refusal(404, "form_template_not_found");
    ask(&app.patient(), template.id, &json!({ "values": {} })).await.refusal(403, "permission_denied");
}
