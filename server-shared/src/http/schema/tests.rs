use serde_json::{Map, Value, json};

use super::{MOST_VALUES, Schemas, VALUES_TO_SPARE};
use crate::error::FieldFault;

fn schemas() -> Schemas {
    Schemas::all(&json!({ "components": { "schemas": {
        "Person": {
            "type": "object", "additionalProperties": false, "required": ["name", "age"],
            "properties": {
                "name": { "type": "string", "minLength": 1 },
                "age": { "type": "integer", "minimum": 0, "exclusiveMinimum": true },
                "nick": { "type": "string", "nullable": true },
                "home": { "allOf": [{ "$ref": "#/components/schemas/Address" }], "nullable": true },
                "born": { "type": "string", "format": "date" }
            }
        },
        "Address": { "type": "object", "properties": { "zip": { "type": "string" } } },
        "Batch": {
            "type": "object", "additionalProperties": false, "required": ["people"],
            "properties": {
                "people": { "type": "array", "minItems": 1, "maxItems": 500,
                            "items": { "$ref": "#/components/schemas/Person" } },
                "points": { "type": "array", "maxItems": 300, "nullable": true,
                            "items": { "type": "array", "maxItems": 2, "items": { "type": "number" } } },
                "items": { "type": "string" }
            }
        }
    } } }))
}

fn found(name: &str, value: &Value) -> Vec<(String, String)> {
    let faults = schemas().faults(name, value).unwrap();
    let pair = |fault: &FieldFault| (fault.pointer.clone(), fault.rule.to_string());
    let mut found: Vec<(String, String)> = faults.listed().iter().map(pair).collect();
    found.sort();
    found
}

fn rules(value: &Value) -> Vec<(String, String)> {
    found("Person", value)
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(p, r)| ((*p).into(), (*r).into())).collect()
}

#[test]
fn every_fault_is_listed_with_its_pointer() {
    let found = rules(&json!({ "name": "", "age": 0, "extra/one": 1, "home": { "zip": 7 }, "born": "yesterday" }));
    let expected = [
        ("/age", "minimum"),
        ("/born", "format"),
        ("/extra~1one", "unknown"),
        ("/home/zip", "type"),
        ("/name", "min_length"),
    ];
    assert_eq!(found, pairs(&expected));
}

#[test]
fn faults_in_lists_have_their_place() {
    let person = json!({ "name": "a", "age": 1 });
    let value = json!({
        "people": [person, { "name": "a", "age": 0 }, 7, { "name": "a", "age": 1, "more": 1 }],
        "points": [[1, 2], [1, "2"], [1, 2, 3], "none"],
        "items": 7,
    });
    let expected = [
        ("/items", "type"),
        ("/people/1/age", "minimum"),
        ("/people/2", "type"),
        ("/people/3/more", "unknown"),
        ("/points/1/1", "type"),
        ("/points/2", "max_items"),
        ("/points/3", "type"),
    ];
    assert_eq!(found("Batch", &value), pairs(&expected));
    assert!(schemas().faults("Batch", &value).unwrap().unknown_field(), "wherever it stands");
    assert!(found("Batch", &json!({ "people": [person], "points": null })).is_empty());
    assert_eq!(found("Batch", &json!({ "people": [] })), pairs(&[("/people", "min_items")]));
}

#[test]
fn a_list_that_is_too_long_is_not_looked_into() {
    let value = json!({ "people": vec![0; 501], "points": vec![json!("x"); 301] });
    assert_eq!(found("Batch", &value), pairs(&[("/people", "max_items"), ("/points", "max_items")]));
}

#[test]
fn a_hundred_faults_are_listed_and_all_are_counted() {
    let faults = schemas().faults("Batch", &json!({ "people": vec![json!({}); 500] })).unwrap();
    assert_eq!((faults.listed().len(), faults.count()), (100, 1_000), "two fields are missing in each");
    let unknown: Map<String, Value> = (0..5_000).map(|n| (format!("f{n}"), json!(n))).collect();
    let faults = schemas().faults("Person", &Value::Object(unknown)).unwrap();
    assert_eq!((faults.listed().len(), faults.count()), (100, 5_002));
}

#[test]
fn the_largest_body_follows_from_the_schema() {
    // A reference to a schema that may be null counts once more for each of both.
    let schemas = schemas();
    assert_eq!(schemas.most_values("Person"), 9 + 2 + VALUES_TO_SPARE);
    let batch = 1 + (1 + 500 * 9) + (1 + 300 * 3) + 1;
    assert_eq!(schemas.most_values("Batch"), batch + batch / 4 + VALUES_TO_SPARE);
    let open = Schemas::all(&json!({ "components": { "schemas": {
        "Open": { "type": "object", "additionalProperties": true },
        "Endless": { "type": "array", "items": { "$ref": "#/components/schemas/Endless" } },
    } } }));
    assert_eq!((open.most_values("Open"), open.most_values("Endless")), (MOST_VALUES, MOST_VALUES));
}

#[test]
fn a_schema_that_is_none_is_found_by_checking_all() {
    schemas().check().unwrap();
    let broken = Schemas::all(&json!({ "components": { "schemas": { "Broken": { "type": 7 } } } }));
    assert!(broken.check().unwrap_err().contains("Broken"));
}

#[test]
fn null_passes_only_where_the_specification_says_nullable() {
    assert!(rules(&json!({ "name": "a", "age": 1, "nick": null, "home": null })).is_empty());
    assert_eq!(rules(&json!({ "name": null, "age": 1 })), [("/name".to_owned(), "type".to_owned())]);
}

#[test]
fn messages_never_repeat_the_value() {
    let faults = schemas().faults("Person", &json!({ "name": 1, "age": "planted-secret" })).unwrap();
    assert_eq!(faults.count(), 2);
    assert!(faults.listed().iter().all(|fault| !fault.message.contains("planted-secret")));
}

#[test]
fn a_text_must_fit_in_its_form_too() {
    let schemas = Schemas::all(&json!({ "components": { "schemas": {
        "Named": {
            "type": "object",
            "properties": {
                "names": { "type": "array", "items": { "type": "string", "format": "name", "maxLength": 4 } },
                "code": { "type": "string", "format": "line", "minLength": 2 }
            }
        }
    } } }));
    // A letter that is three when it is composed.
    let value = json!({ "names": ["\u{fb2c}\u{fb2c}", " Ann"], "code": " a " });
    assert_eq!(schemas.faults("Named", &value).unwrap().count(), 0);
    let faults = schemas.faults_of_form("Named", value).unwrap();
    let mut found: Vec<_> = faults.listed().iter().map(|fault| (fault.pointer.as_str(), &*fault.rule)).collect();
    found.sort_unstable();
    assert_eq!(found, [("/code", "min_length"), ("/names/0", "max_length")]);
}
