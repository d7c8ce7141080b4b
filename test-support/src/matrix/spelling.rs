//! Other spellings of the ids in a path: every operation refuses each of them.

use reqwest::Method;
use serde_json::Value;

use super::{Fixture, Operation};

/// 2^53, the first number above all ids.
const TOO_LARGE: i64 = 9_007_199_254_740_992;

/// An id in the path of an operation, written another way.
#[derive(Debug, Clone)]
pub struct Misspelling {
    /// Name of the misspelt parameter.
    pub parameter: String,
    /// Path and query of the request.
    pub target: String,
}

impl Operation {
    /// The parameters of the path that are ids, as the specification says.
    pub(super) fn ids_of_path(stated: &Value, wanted: fn(&Value) -> bool) -> Vec<String> {
        let parameters = stated["parameters"].as_array().into_iter().flatten();
        let ids = parameters.filter(|parameter| {
            let schema = &parameter["schema"];
            let is_id = schema["type"] == "integer" || schema["format"] == "uuid";
            parameter["in"] == "path" && is_id && wanted(schema)
        });
        ids.filter_map(|parameter| parameter["name"].as_str().map(str::to_owned)).collect()
    }

    /// Returns requests for the fixture's resource, with each id of the path in every other spelling.
    pub fn misspellings(&self, fixture: &Fixture) -> Vec<Misspelling> {
        let mut all = Vec::new();
        for parameter in &self.path_ids {
            let id = fixture.parameter(parameter).unwrap_or_else(|| panic!("{} names no {parameter}", self.id));
            for spelt in misspelt(id) {
                all.push(Misspelling {
                    parameter: parameter.clone(),
                    target: self.target_with(fixture, parameter, &spelt),
                });
            }
        }
        all
    }

    /// Returns true if a request may change something.
    pub fn changes(&self) -> bool {
        ![Method::GET, Method::HEAD].contains(&self.method)
    }
}

/// Returns every other spelling of an id.
fn misspelt(id: &str) -> Vec<String> {
    let (first, rest) = id.split_at(1);
    let encoded = |text: &str| text.bytes().fold(String::new(), |all, byte| all + &format!("%{byte:02X}"));
    let mut all = vec![
        format!("{}{rest}", encoded(first)),
        encoded(id),
        format!("+{id}"),
        format!("%2B{id}"),
        format!("-{id}"),
        format!("0{id}"),
        format!("000{id}"),
        format!("{id}%20"),
        format!("%09{id}"),
        format!("{id}%2F"),
        format!("{id}%00"),
    ];
    if id.bytes().all(|byte| byte.is_ascii_digit()) {
        all.extend([format!("{id}.0"), format!("{id}e0"), TOO_LARGE.to_string(), u64::MAX.to_string()]);
    } else {
        all.extend([id.to_uppercase(), id.replace('-', ""), format!("%7B{id}%7D"), format!("urn:uuid:{id}")]);
    }
    all.retain(|spelt| spelt != id);
    all
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    #[test]
    fn each_id_of_a_path_is_misspelt_and_nothing_else() {
        let integer = json!({ "type": "integer" });
        let stated = json!({ "operationId": "part_get", "parameters": [
            { "in": "path", "name": "thing_id", "schema": integer },
            { "in": "path", "name": "slug", "schema": { "type": "string" } },
            { "in": "path", "name": "uid", "schema": { "type": "string", "format": "uuid" } },
            { "in": "query", "name": "other_id", "schema": integer },
        ] });
        let operation = Operation::of(&Arc::default(), "/things/{thing_id}/{slug}/{uid}", "get", &stated).unwrap();
        assert_eq!(operation.path_ids, ["thing_id", "uid"]);
        let fixture = Fixture::default().with("thing_id", &46).with("slug", &"a").with("uid", &"0a-b");
        let targets: Vec<_> = operation.misspellings(&fixture).into_iter().map(|spelt| spelt.target).collect();
        for expected in ["/things/%346/a/0a-b", "/things/+46/a/0a-b", "/things/046/a/0a-b", "/things/46/a/0A-B"] {
            assert!(targets.contains(&expected.to_owned()), "{expected}: {targets:?}");
        }
        assert!(!targets.contains(&operation.target(&fixture)));
    }
}
