//! Reads JSON that callers send, and finds the faults that a schema can't state: keys given twice, and characters
//! that nothing can store.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value, map::Entry};

use super::schema::{CHARACTERS, Faults, escape};
use crate::error::FieldFault;

/// Largest integer up to which a float is exact.
const LARGEST_EXACT: f64 = 9_007_199_254_740_991.0;

/// Parses `bytes` and adds the faults of keys and texts to `faults`. The last value of a repeated key is kept.
///
/// JSON Schema counts `1.0` as an integer, serde_json as a float, so floats that are whole become integers.
pub(super) fn read(bytes: &[u8], faults: &mut Faults) -> Result<Value, serde_json::Error> {
    // The deserializer limits the depth.
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Reader { place: &Place::Root, faults }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Place of a value in the document. The pointer is only written for a fault.
enum Place<'a> {
    Root,
    Item(&'a Place<'a>, usize),
    Field(&'a Place<'a>, &'a str),
}

impl Place<'_> {
    fn pointer(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Item(list, index) => format!("{}/{index}", list.pointer()),
            Self::Field(object, key) => format!("{}/{}", object.pointer(), escape(key)),
        }
    }
}

/// Reads the value at `place`.
struct Reader<'a> {
    place: &'a Place<'a>,
    faults: &'a mut Faults,
}

impl Reader<'_> {
    fn check_text(&mut self, text: &str) {
        if text.as_bytes().contains(&0) {
            self.faults.add(|| FieldFault::new(self.place.pointer(), CHARACTERS, "must not hold U+0000"));
        }
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Value, E> {
        if number.fract() == 0.0 && number.abs() <= LARGEST_EXACT {
            #[allow(clippy::cast_possible_truncation, reason = "whole and within ±2^53")]
            return Ok(Value::Number((number as i64).into()));
        }
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        self.visit_string(text.to_owned())
    }

    fn visit_string<E: Error>(mut self, text: String) -> Result<Value, E> {
        self.check_text(&text);
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        loop {
            let place = Place::Item(self.place, items.len());
            match list.next_element_seed(Reader { place: &place, faults: self.faults })? {
                Some(item) => items.push(item),
                None => return Ok(Value::Array(items)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = object.next_key::<String>()? {
            let place = Place::Field(self.place, &key);
            if key.chars().any(char::is_control) {
                let message = "a key must not hold control characters";
                self.faults.add(|| FieldFault::new(place.pointer(), CHARACTERS, message));
            }
            let value = object.next_value_seed(Reader { place: &place, faults: self.faults })?;
            match fields.entry(key) {
                Entry::Vacant(entry) => {
                    entry.insert(value);
                }
                Entry::Occupied(mut entry) => {
                    let place = Place::Field(self.place, entry.key());
                    self.faults
                        .add_repeated(|| FieldFault::new(place.pointer(), "repeated", "is given more than once"));
                    entry.insert(value);
                }
            }
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(text: &str) -> (Value, Vec<(String, String)>, bool) {
        let mut faults = Faults::default();
        let value = read(text.as_bytes(), &mut faults).unwrap();
        let pairs = faults.listed().iter().map(|fault| (fault.pointer.clone(), fault.rule.to_string())).collect();
        (value, pairs, faults.repeated_key())
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(pointer, rule)| ((*pointer).into(), (*rule).into())).collect()
    }

    #[test]
    fn sound_documents_are_read_as_serde_json_reads_them() {
        for text in [
            "null",
            "true",
            "[]",
            "{}",
            "-7",
            "18446744073709551615",
            "-9223372036854775808",
            "18446744073709551616",
            "0.1",
            "1e300",
            "-0.5",
            r#""a\u00e9\n\ud83d\ude00b""#,
            r#"{"b": [1, {"a": null}], "a": {"b": {}}, "": "x"}"#,
        ] {
            let (value, faults, _) = found(text);
            assert_eq!(value, serde_json::from_str::<Value>(text).unwrap(), "{text}");
            assert_eq!(value.to_string(), serde_json::from_str::<Value>(text).unwrap().to_string(), "{text}");
            assert!(faults.is_empty(), "{text}: {faults:?}");
        }
    }

    #[test]
    fn numbers_that_are_whole_are_integers() {
        let (value, _, _) = found("[1.0, -2e3, 9007199254740991.0, 9007199254740994.0, 0.5, -0.0]");
        assert_eq!(value, json!([1, -2000, 9_007_199_254_740_991_i64, 9_007_199_254_740_994.0, 0.5, 0]));
    }

    #[test]
    fn documents_that_are_no_json_are_refused_where_serde_json_refuses_them() {
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let objects = format!("{}1{}", r#"{"a":"#.repeat(200), "}".repeat(200));
        let texts = ["", "{", "[1,]", r#"{"a": 1} 2"#, r#""\ud800""#, "1e999", "{7: 1}", "\"a\nb\"", "nul"];
        for text in texts.into_iter().chain([&*deep(128), &*deep(100_000), &*objects]) {
            let ours = read(text.as_bytes(), &mut Faults::default()).unwrap_err();
            let theirs = serde_json::from_str::<Value>(text).unwrap_err();
            assert_eq!(ours.to_string(), theirs.to_string(), "{text:.40}");
        }
        assert!(read(deep(127).as_bytes(), &mut Faults::default()).is_ok());
        assert!(read(b"\"\xff\"", &mut Faults::default()).is_err());
    }

    #[test]
    fn a_key_that_is_repeated_is_named_at_any_depth() {
        let (value, faults, repeated) =
            found(r#"{"a": 1, "b": [{}, {"c/d": 1, "c\u002fd": 2, "e": 3}], "a": {"a": 2}}"#);
        assert_eq!((faults, repeated), (pairs(&[("/b/1/c~1d", "repeated"), ("/a", "repeated")]), true));
        assert_eq!(value["a"], json!({ "a": 2 }));
        let many = format!("{{{}\"a\": 0}}", "\"a\": 0,".repeat(500));
        let mut faults = Faults::default();
        read(many.as_bytes(), &mut faults).unwrap();
        assert_eq!((faults.listed().len(), faults.count()), (100, 500));
    }

    #[test]
    fn characters_that_nothing_can_store_are_named_and_not_repeated() {
        let (_, faults, repeated) = found(
            r#"{"a": "x\u0000", "b\u0000": 1, "c\u009f": [1, "\u0000"], "d": "line\n\u0085", "e\u007f\u202e": "", "é": 1}"#,
        );
        let expected = [
            ("/a", "characters"),
            ("/b\u{fffd}", "characters"),
            ("/c\u{fffd}", "characters"),
            ("/c\u{fffd}/1", "characters"),
            ("/e\u{fffd}\u{fffd}", "characters"),
        ];
        assert_eq!((faults, repeated), (pairs(&expected), false));
    }

    #[test]
    fn keys_of_other_parsers_private_forms_are_keys() {
        let (value, _, _) = found(r#"{"$serde_json::private::RawValue": "[1, 2]"}"#);
        assert_eq!(value, json!({ "$serde_json::private::RawValue": "[1, 2]" }));
    }
}
