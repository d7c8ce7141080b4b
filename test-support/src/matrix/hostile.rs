//! Hostile requests for an operation, built from its specification: small ones that could cause much work,
//! and the largest ones that fit.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use super::Operation;

/// Deeper than any body; schemas may refer to themselves.
const DEEPEST: usize = 8;
/// Fields of texts that are tried in a body.
const TEXTS: usize = 2;
/// Size of a small compressed body once it is unpacked, in bytes.
const BOMB: usize = 32 * 1024 * 1024;
/// Longer than the limit of a query, and still a request line that the server reads.
const QUERY: usize = 60_000;

/// A request that asks for too much.
#[derive(Debug, Clone)]
pub struct Hostile {
    /// Name of the request in the messages of failed tests.
    pub name: String,
    /// Its query, as it is sent.
    pub query: String,
    /// Its body.
    pub body: Option<Vec<u8>>,
    /// True if the request's headers say that the body is compressed.
    pub gzip: bool,
}

impl Hostile {
    fn query(name: &str, query: String) -> Self {
        Self { name: name.to_owned(), query, body: None, gzip: false }
    }

    fn body(name: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), query: String::new(), body: Some(body.into()), gzip: false }
    }

    fn bomb(name: &str, head: &str, filling: &str) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        let piece = filling.repeat(64 * 1024 / filling.len());
        encoder.write_all(head.as_bytes()).expect("a vector takes everything");
        for _ in 0..BOMB / piece.len() {
            encoder.write_all(piece.as_bytes()).expect("a vector takes everything");
        }
        let body = encoder.finish().expect("a vector takes everything");
        Self { gzip: true, ..Self::body(format!("{} bytes that unpack to {name}", body.len()), body) }
    }

    /// Compressed bodies, which are the same for every operation.
    pub fn bombs() -> Vec<Self> {
        let empty = {
            let encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.finish().expect("a vector takes everything").repeat(20_000)
        };
        vec![
            Self::bomb("zeros", "[0", ",0"),
            Self::bomb("lists in lists", "", "["),
            Self::bomb("frames that are none", r#"{"frames":[0"#, ",0"),
            Self::bomb("a text", "\"", "x"),
            Self::bomb("blanks", "", " "),
            Self { gzip: true, ..Self::body("20,000 times nothing, compressed", empty) },
        ]
    }

    /// Queries, which are the same for every operation.
    pub fn queries() -> Vec<Self> {
        let names = |make: fn(usize) -> String| {
            let mut query = (0..).map(make).take(10_000).collect::<Vec<_>>().join("&");
            query.truncate(QUERY);
            query
        };
        vec![
            Self::query("10,000 times the same parameter", names(|_| "a".to_owned())),
            Self::query("thousands of parameters", names(|n| format!("p{n}"))),
            Self::query("one long name", "n".repeat(QUERY)),
            Self::query("one long value", format!("page={}", "9".repeat(QUERY))),
            Self::query("a parameter over and over", names(|_| "page=1".to_owned())),
            Self::query("nothing but separators", "&".repeat(QUERY)),
        ]
    }
}

impl Operation {
    /// Returns a path with arbitrary ids and a query with the required parameters, so that the body is read.
    pub fn somewhere(&self) -> String {
        let segments = self.path.split('/').map(|segment| match segment.strip_prefix('{') {
            None => segment.to_owned(),
            Some(name) if self.uuids.contains(&name.trim_end_matches('}').to_owned()) => {
                uuid::Uuid::now_v7().to_string()
            }
            Some(_) => "1".to_owned(),
        });
        let path = segments.collect::<Vec<_>>().join("/");
        let needed = self.needed.iter().map(|(name, schema)| format!("{name}={}", self.valid(schema)));
        let query = needed.collect::<Vec<_>>().join("&");
        if query.is_empty() { path } else { format!("{path}?{query}") }
    }

    /// A value of a parameter that its schema accepts.
    fn valid(&self, schema: &Value) -> String {
        let schema = self.resolved(schema);
        if let Some(part) = schema["allOf"].as_array().and_then(|parts| parts.first()) {
            return self.valid(part);
        }
        if let Some(option) = schema["enum"].as_array().and_then(|options| options.first()?.as_str()) {
            return option.to_owned();
        }
        match schema["format"].as_str() {
            Some("date-time") => "2030-01-01T00:00:00Z".to_owned(),
            Some("uuid") => uuid::Uuid::now_v7().to_string(),
            _ => "1".to_owned(),
        }
    }

    /// Bodies of up to `limit` bytes, each wrong; none for an operation without a body.
    pub fn hostile_bodies(&self, limit: usize) -> Vec<Hostile> {
        if self.body.is_null() {
            return Vec::new();
        }
        let mut all = vec![
            Hostile::body("a list of zeros", filled("[0", ",0", "]", limit)),
            Hostile::body("lists in lists", "[".repeat(limit)),
            Hostile::body("objects in objects", r#"{"a":"#.repeat(limit / 5)),
            Hostile::body("a field with a long name", format!(r#"{{"{}":0}}"#, "n".repeat(limit - 10))),
            Hostile::body("fields with long names", fields(limit, 8_000)),
            Hostile::body("a text", format!("\"{}\"", "x".repeat(limit - 2))),
            Hostile::body("a text of escapes", format!("\"{}\"", r"\u0001".repeat(limit / 6 - 1))),
            Hostile::body("a number of many digits", "9".repeat(limit)),
            Hostile::body("everything wrong", self.everything_wrong(limit)),
        ];
        let mut places = Vec::new();
        self.places(&self.body, &mut Vec::new(), DEEPEST, &mut places);
        // All texts are alike.
        let mut texts = 0;
        places.retain(|(_, kind)| {
            texts += usize::from(*kind == Place::Text);
            *kind != Place::Text || texts <= TEXTS
        });
        for (steps, kind) in &places {
            let at = steps.iter().fold(String::new(), |at, step| at + "/" + step);
            let (head, tail) = around(steps);
            let room = limit.saturating_sub(head.len() + tail.len());
            let mut add = |name: &str, inner: Vec<u8>| {
                let body = [head.as_bytes(), &inner, tail.as_bytes()].concat();
                all.push(Hostile::body(format!("{name} at `{at}`"), body));
            };
            match kind {
                Place::List => {
                    add("zeros", filled("[0", ",0", "]", room));
                    add("empty objects", filled("[{}", ",{}", "]", room));
                }
                Place::Fields => add("fields that there are none of", fields(room, 1)),
                Place::Text => add("a long text", format!("\"{}\"", "x".repeat(room.saturating_sub(2))).into_bytes()),
            }
        }
        all
    }

    /// Every field and every item that is allowed, each of the wrong type.
    fn everything_wrong(&self, limit: usize) -> Vec<u8> {
        // As many items as fit: lists are shortened until they do.
        let sizes = (0..).map(|halvings| usize::MAX >> (halvings + 48));
        let bodies = sizes.map(|most| self.wrong(&self.body, most, DEEPEST).to_string().into_bytes());
        bodies.take(16).find(|body| body.len() <= limit).unwrap_or_default()
    }

    fn wrong(&self, schema: &Value, most: usize, deepest: usize) -> Value {
        let schema = self.resolved(schema);
        if deepest == 0 {
            return json!(0);
        }
        let part = ["allOf", "anyOf", "oneOf"].iter().find_map(|keyword| schema[keyword].as_array()?.first());
        if let Some(part) = part {
            return self.wrong(part, most, deepest - 1);
        }
        if let Some(properties) = schema["properties"].as_object() {
            let fields = properties.iter().map(|(name, field)| (name.clone(), self.wrong(field, most, deepest - 1)));
            return Value::Object(fields.collect());
        }
        if schema["items"].is_object() {
            let count = schema["maxItems"].as_u64().map_or(1_000, |most| usize::try_from(most).unwrap_or(1_000));
            return Value::Array(vec![self.wrong(&schema["items"], most, deepest - 1); count.min(most)]);
        }
        if schema["type"] == "string" { json!(0) } else { json!("") }
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(reference) => {
                let found = self.document.pointer(reference.trim_start_matches('#'));
                self.resolved(found.expect("a reference refers to a schema"))
            }
            None => schema,
        }
    }

    /// Finds the lists, objects and texts of a body; a step of 0 is the first item of a list.
    fn places(&self, schema: &Value, steps: &mut Vec<String>, deepest: usize, found: &mut Vec<(Vec<String>, Place)>) {
        let schema = self.resolved(schema);
        if deepest == 0 {
            return;
        }
        for part in ["allOf", "anyOf", "oneOf"].iter().filter_map(|keyword| schema[keyword].as_array()).flatten() {
            self.places(part, steps, deepest - 1, found);
        }
        let mut below = |step: &str, schema: &Value, found: &mut Vec<(Vec<String>, Place)>| {
            steps.push(step.to_owned());
            self.places(schema, steps, deepest - 1, found);
            steps.pop();
        };
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            below(name, field, found);
        }
        if schema["items"].is_object() {
            below("0", &schema["items"], found);
        }
        match schema["type"].as_str() {
            Some("array") => found.push((steps.clone(), Place::List)),
            Some("object") => found.push((steps.clone(), Place::Fields)),
            Some("string") if schema["format"].is_null() && schema["enum"].is_null() => {
                found.push((steps.clone(), Place::Text));
            }
            _ => {}
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    List,
    Fields,
    Text,
}

/// Returns the JSON text before and after a place of a body.
fn around(steps: &[String]) -> (String, String) {
    let (mut head, mut tail) = (String::new(), String::new());
    for step in steps {
        if step == "0" {
            head.push('[');
            tail.insert(0, ']');
        } else {
            head.push('{');
            head.push_str(&json!(step).to_string());
            head.push(':');
            tail.insert(0, '}');
        }
    }
    (head, tail)
}

fn filled(head: &str, filling: &str, tail: &str, limit: usize) -> Vec<u8> {
    let room = limit.saturating_sub(head.len() + tail.len());
    [head, &filling.repeat(room / filling.len()), tail].concat().into_bytes()
}

/// An object of as many fields as fit, with names at least this long.
fn fields(limit: usize, length: usize) -> Vec<u8> {
    let mut text = String::with_capacity(limit);
    for number in 0.. {
        let field = format!("{}\"{number:x>length$}\":0", if number == 0 { '{' } else { ',' });
        if text.len() + field.len() + 1 > limit {
            break;
        }
        text.push_str(&field);
    }
    text.push('}');
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn every_place_of_a_body_is_tried() {
        let document = json!({ "components": { "schemas": {
            "Batch": { "type": "object", "properties": {
                "title": { "type": "string" },
                "events": { "type": "array", "maxItems": 3, "items": { "$ref": "#/components/schemas/Event" } },
            } },
            "Event": { "type": "object", "properties": { "id": { "type": "string", "format": "uuid" } } },
        } } });
        let stated = json!({
            "operationId": "thing_track",
            "requestBody": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Batch" } } } },
        });
        let operation = Operation::of(&Arc::new(document), "/v1/things/{thing_id}", "post", &stated).unwrap();
        assert_eq!(operation.somewhere(), "/v1/things/1");
        let bodies = operation.hostile_bodies(10_000);
        let named = |name: &str| bodies.iter().find(|body| body.name == name).and_then(|body| body.body.clone());
        for place in ["zeros at `/events`", "fields that there are none of at `/events/0`", "a long text at `/title`"] {
            let body = named(place).unwrap_or_else(|| panic!("{place} is not tried"));
            assert!((9_900..=10_000).contains(&body.len()), "{place}: {}", body.len());
            serde_json::from_slice::<Value>(&body).unwrap();
        }
        let wrong: Value = serde_json::from_slice(&named("everything wrong").unwrap()).unwrap();
        assert_eq!(wrong, json!({ "title": 0, "events": [{ "id": 0 }, { "id": 0 }, { "id": 0 }] }));
        assert!(bodies.iter().all(|body| body.body.as_ref().is_some_and(|body| body.len() <= 10_000)));
    }
}
