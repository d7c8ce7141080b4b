//! Number of values in a JSON document, counted before any of them is parsed.
//!
//! A value takes some eighty bytes of memory and may be sent in two, so the length of a body does not tell its cost.
//! The values are counted in the bytes first; a document with more values than its operation could ever take is refused
//! without being parsed.

/// Largest depth that the parser accepts.
const DEEPEST: usize = 128;

/// Returns true if the JSON in `bytes` has more than `most` values. Counts one too many for each empty list or
/// object, and none too few. Leaves it to the parser to refuse invalid JSON.
pub(super) fn exceeds(bytes: &[u8], most: usize) -> bool {
    let (mut values, mut depth) = (1_usize, 0_usize);
    let (mut in_text, mut escaped) = (false, false);
    for byte in bytes {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b',' => values += 1,
            b'[' | b'{' => {
                values += 1;
                depth += 1;
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if values > most {
            return true;
        }
        if depth > DEEPEST {
            // The parser stops here, and names the place.
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_and_texts_are_not_looked_into() {
        for (text, values) in
            [("[7]", 2), ("[1, 2]", 3), (r#"{"a": [1, 2], "b": {"c": null}}"#, 6), (r#"["a,b[{", "\",[", "\\"]"#, 4)]
        {
            assert!(exceeds(text.as_bytes(), values - 1), "{text} has {values} values");
            assert!(!exceeds(text.as_bytes(), values), "{text} has {values} values");
        }
    }

    #[test]
    fn a_long_list_is_left_at_once_and_a_deep_one_to_the_parser() {
        let zeros = format!("[{}0]", "0,".repeat(100_000));
        assert!(exceeds(zeros.as_bytes(), 1_000));
        let deep = "[".repeat(100_000);
        assert!(!exceeds(deep.as_bytes(), 1_000));
        assert!(serde_json::from_str::<serde_json::Value>(&deep).is_err());
    }
}
