//! The derivation of the SDK specification, case by case, and one whole generation.
#![allow(clippy::needless_pass_by_value, reason = "documents written in place read best as values")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code: a panic with a clear message is how a test fails"
)]

use serde_json::{Value, json};

use crate::{rust_client, sdk_spec};

fn spec(paths: Value, schemas: Value) -> Value {
    json!({
        "openapi": "3.0.3",
        "info": {"title": "Toy", "version": "1.2.3"},
        "paths": paths,
        "components": {"schemas": schemas},
    })
}

fn answer(schema: Value) -> Value {
    json!({"description": "It.", "content": {"application/json": {"schema": schema}}})
}

fn one_operation(response: Value, schemas: Value) -> Value {
    let operation = json!({"operationId": "thing_get", "responses": {"200": response}});
    spec(json!({"/thing": {"get": operation}}), schemas)
}

#[test]
fn limits_go_but_properties_named_like_limits_stay() {
    let thing = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "pattern": {"type": "string", "pattern": "^a", "maxLength": 3},
            "default": {"type": "integer", "minimum": 1, "default": 2},
        },
    });
    let derived =
        sdk_spec::derive(one_operation(answer(json!({"$ref": "#/components/schemas/Thing"})), json!({"Thing": thing})))
            .unwrap();
    assert_eq!(
        derived["components"]["schemas"]["Thing"],
        json!({
            "type": "object",
            "properties": {"pattern": {"type": "string"}, "default": {"type": "integer"}},
        })
    );
}

#[test]
fn union_members_are_written_inline_and_their_components_dropped() {
    let schemas = json!({
        "Circle": {"type": "object", "required": ["radius"], "properties": {"radius": {"type": "number"}}},
        "Shape_Circle": {"allOf": [
            {"type": "object", "required": ["type"], "properties": {"type": {"type": "string", "enum": ["circle"]}}},
            {"$ref": "#/components/schemas/Circle"},
        ]},
        "Shape": {
            "type": "object",
            "oneOf": [{"$ref": "#/components/schemas/Shape_Circle"}],
            "discriminator": {"propertyName": "type"},
        },
    });
    let derived =
        sdk_spec::derive(one_operation(answer(json!({"$ref": "#/components/schemas/Shape"})), schemas)).unwrap();
    assert_eq!(
        derived["components"]["schemas"],
        json!({"Shape": {"oneOf": [{
            "type": "object",
            "properties": {"type": {"type": "string", "enum": ["circle"]}, "radius": {"type": "number"}},
            "required": ["radius", "type"],
        }]}})
    );
}

#[test]
fn multipart_operations_are_dropped_with_what_only_they_use() {
    let upload = json!({
        "operationId": "file_create",
        "requestBody": {"content": {"multipart/form-data": {"schema": {"$ref": "#/components/schemas/Upload"}}}},
        "responses": {"204": {"description": "Stored."}},
    });
    let derived =
        sdk_spec::derive(spec(json!({"/files": {"post": upload}}), json!({"Upload": {"type": "object"}}))).unwrap();
    assert_eq!(derived["paths"], json!({}));
    assert_eq!(derived["components"]["schemas"], json!({}));
}

#[test]
fn two_success_types_are_refused_with_the_operation_named() {
    let operation = json!({
        "operationId": "thing_get",
        "responses": {"200": answer(json!({"type": "string"})), "204": {"description": "None."}},
    });
    let fault = sdk_spec::derive(spec(json!({"/thing": {"get": operation}}), json!({}))).unwrap_err();
    let text = format!("{fault:#}");
    assert!(text.contains("GET /thing") && text.contains("exactly one success type"), "{text}");
}

#[test]
fn two_error_types_are_refused_with_the_operation_named() {
    let operation = json!({
        "operationId": "thing_get",
        "responses": {
            "200": answer(json!({"type": "string"})),
            "401": {"description": "No body."},
            "404": answer(json!({"type": "integer"})),
        },
    });
    let fault = sdk_spec::derive(spec(json!({"/thing": {"get": operation}}), json!({}))).unwrap_err();
    let text = format!("{fault:#}");
    assert!(text.contains("GET /thing") && text.contains("one error type"), "{text}");
}

#[test]
fn a_nullable_reference_becomes_an_option_and_generation_is_reproducible() {
    let thing = json!({
        "type": "object",
        "required": ["state"],
        "properties": {"state": {
            "allOf": [{"$ref": "#/components/schemas/State"}],
            "type": "string",
            "nullable": true,
            "description": "Null while unknown.",
        }},
    });
    let public = one_operation(
        answer(json!({"$ref": "#/components/schemas/Thing"})),
        json!({"State": {"type": "string", "enum": ["open", "shut"]}, "Thing": thing}),
    );
    let generate = || rust_client::generate(sdk_spec::derive(public.clone()).unwrap()).unwrap();
    let source = generate();
    assert!(source.contains("pub state: ::std::option::Option<State>"), "{source}");
    assert!(source.starts_with("// generated by cargo xtask codegen; do not edit"), "{source}");
    assert!(!source.contains("pub fn new(baseurl"), "a client is made by ClientBuilder only");
    assert_eq!(source, generate());
}
