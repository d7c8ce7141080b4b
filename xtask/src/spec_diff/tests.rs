//! Breaks a copy of the released specification in different ways and reads the report.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code: a panic with a clear message is how a test fails"
)]

use std::fs;

use serde_json::{Value, json};

use super::*;

/// The first response field that some operation of the released document requires: (schema, field, operation id).
struct Field {
    schema: String,
    name: String,
}

fn released(service: &str) -> Value {
    document(&paths::checkout().join(format!("openapi/released/{service}.json"))).unwrap()
}

/// Finds an operation that answers with a named schema that has a required field.
fn answered_field(spec: &Value) -> (String, Field) {
    for item in spec["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            for status in ["200", "201"] {
                let schema = &operation["responses"][status]["content"]["application/json"]["schema"]["$ref"];
                let Some(schema) = schema.as_str().and_then(|to| to.strip_prefix("#/components/schemas/")) else {
                    continue;
                };
                if let Some(name) = spec["components"]["schemas"][schema]["required"][0].as_str() {
                    let id = operation["operationId"].as_str().unwrap().to_owned();
                    return (id, Field { schema: schema.to_owned(), name: name.to_owned() });
                }
            }
        }
    }
    panic!("no operation of the released specification answers with a schema that requires a field");
}

/// Compares `old` with a copy that `change` has modified.
fn after(old: &Value, change: impl FnOnce(&mut Value)) -> Comparison {
    let dir = tempfile::tempdir().unwrap();
    let mut new = old.clone();
    change(&mut new);
    fs::write(dir.path().join("old.json"), old.to_string()).unwrap();
    fs::write(dir.path().join("new.json"), new.to_string()).unwrap();
    compare("test", &dir.path().join("old.json"), &dir.path().join("new.json")).unwrap()
}

fn remove(spec: &mut Value, field: &Field) {
    let schema = &mut spec["components"]["schemas"][&field.schema];
    schema["properties"].as_object_mut().unwrap().remove(&field.name).unwrap();
    schema["required"].as_array_mut().unwrap().retain(|name| *name != json!(field.name));
}

#[test]
fn a_removed_response_field_is_refused_and_named_with_its_operation() {
    for service in SERVICES {
        let spec = released(service);
        let (operation, field) = answered_field(&spec);
        let comparison = after(&spec, |new| remove(new, &field));

        assert!(!comparison.is_allowed(), "{service}: {comparison:?}");
        let removed = format!("`{}.{}`", field.schema, field.name);
        let report: Vec<_> = comparison.breaking.iter().map(Change::report).collect();
        assert!(
            report.iter().any(|text| text.contains(&removed)
                && text.contains(&operation)
                && text.contains("Rust: ")
                && text.contains("TypeScript: ")),
            "{service}: no report names {removed} and {operation}: {report:#?}"
        );
    }
}

#[test]
fn a_major_version_allows_what_breaks() {
    let spec = released("core");
    let (_, field) = answered_field(&spec);
    let comparison = after(&spec, |new| {
        remove(new, &field);
        new["info"]["version"] = json!("999.0.0");
    });
    assert!(!comparison.breaking.is_empty());
    assert!(comparison.is_allowed());
}

#[test]
fn an_added_response_field_is_compatible() {
    let spec = released("core");
    let (operation, field) = answered_field(&spec);
    let comparison = after(&spec, |new| {
        let properties = &mut new["components"]["schemas"][&field.schema]["properties"];
        properties["added_on_purpose"] = json!({"type": "string", "description": "New."});
    });
    assert!(comparison.breaking.is_empty(), "{:?}", comparison.breaking);
    let report: Vec<_> = comparison.compatible.iter().map(Change::report).collect();
    assert!(report.iter().any(|text| text.contains("added_on_purpose") && text.contains(&operation)), "{report:#?}");
}

#[test]
fn a_removed_operation_is_refused_with_its_id() {
    let spec = released("core");
    let (operation, _) = answered_field(&spec);
    let comparison = after(&spec, |new| {
        for item in new["paths"].as_object_mut().unwrap().values_mut() {
            item.as_object_mut().unwrap().retain(|_, inner| inner["operationId"] != json!(operation));
        }
    });
    assert!(!comparison.is_allowed());
    let report: Vec<_> = comparison.breaking.iter().map(Change::report).collect();
    assert!(report.iter().any(|text| text.contains(&format!("`{operation}`"))), "{report:#?}");
}
