//! The index of operations: one line each, so that a change of the API is a diff of a few lines.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use serde_json::Value;

/// The index of a specification: `METHOD path operation_id — summary [security, x-phi]`, sorted by path and method.
pub(super) fn index(spec: &Value) -> Result<String> {
    let mut lines = Vec::new();
    for (path, item) in spec["paths"].as_object().context("the specification has no paths")? {
        for (method, operation) in item.as_object().context("a path is not an object")? {
            let id =
                operation["operationId"].as_str().with_context(|| format!("{method} {path} has no operationId"))?;
            let summary = operation["summary"].as_str().unwrap_or("(no summary)");
            let mut line = format!("{:<6} {path} {id} — {summary} [{}", method.to_uppercase(), security(operation));
            if operation["x-phi"] == Value::Bool(true) {
                line.push_str(", x-phi");
            }
            line.push(']');
            lines.push((path.clone(), method.clone(), line));
        }
    }
    lines.sort();
    let mut text = String::new();
    for (_, _, line) in lines {
        writeln!(text, "{line}")?;
    }
    Ok(text)
}

/// Returns the ids of the operations that answer with any bytes.
pub(super) fn binary(spec: &Value) -> impl Iterator<Item = &str> {
    let items = spec["paths"].as_object().into_iter().flat_map(|paths| paths.values());
    let operations = items.filter_map(Value::as_object).flat_map(|item| item.values());
    let answers_bytes = |operation: &&Value| {
        let answers = operation["responses"].as_object().into_iter().flat_map(|answers| answers.values());
        let mut contents = answers.filter_map(|answer| answer["content"].as_object()).flat_map(|types| types.values());
        contents.any(|content| content["schema"]["format"] == "binary")
    };
    operations.filter(answers_bytes).filter_map(|operation| operation["operationId"].as_str())
}

/// The schemes any one of which lets a caller in: `bearer | api_key`, or `public`.
fn security(operation: &Value) -> String {
    let Some(alternatives) = operation["security"].as_array().filter(|list| !list.is_empty()) else {
        return "public".to_owned();
    };
    let schemes = alternatives.iter().filter_map(Value::as_object).map(|all| {
        let names: Vec<_> = all.keys().map(String::as_str).collect();
        if names.is_empty() { "public".to_owned() } else { names.join(" + ") }
    });
    schemes.collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_index_has_a_line_an_operation() {
        let spec = json!({"paths": {
            "/v1/patients": {
                "post": {"operationId": "patient_create", "summary": "Add a patient", "x-phi": true,
                         "security": [{"session": []}, {"api_key": []}]},
                "get": {"operationId": "patient_list", "summary": "List patients", "security": [{"session": []}]},
            },
            "/health": {"get": {"operationId": "health_get", "summary": "Say whether the process serves", "security": []}},
        }});
        assert_eq!(
            index(&spec).unwrap(),
            "GET    /health health_get — Say whether the process serves [public]\n\
             GET    /v1/patients patient_list — List patients [session]\n\
             POST   /v1/patients patient_create — Add a patient [session | api_key, x-phi]\n"
        );
    }
}
