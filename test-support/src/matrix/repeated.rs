//! Every operation of a specification, asked with each of its parameters, keys and encodings given twice.

use reqwest::{RequestBuilder, header};

use super::Operation;
use crate::{Answer, Server};

/// Bodies with a repeated key, and the pointer of the key.
const REPEATED_KEYS: [(&str, &str); 2] =
    [(r#"{"a": 1, "b": 2, "\u0061": 3}"#, "/a"), (r#"{"a": [0, {"b": {"c": 1, "c": 1}}]}"#, "/a/1/b/c")];
/// Values of `Content-Encoding` that no operation takes.
const ENCODINGS: [&[&str]; 4] = [&["br"], &["gzip, gzip"], &["gzip", "gzip"], &["identity", "identity"]];

/// Asks every operation of `server` by requests of `request` for a path of the operation's. Panics where a request
/// with something repeated, or with an encoding that the operation does not take, is not refused for it. Returns the
/// number of refused requests.
pub async fn assert_repeats_refused(server: &Server, request: impl Fn(&Operation, &str) -> RequestBuilder) -> usize {
    let mut refused = 0;
    for operation in Operation::all(server) {
        let target = operation.somewhere();
        let asked = |target: &str| {
            let asked = request(&operation, target);
            let with_body = !operation.body.is_null();
            if with_body { asked.header(header::CONTENT_TYPE, "application/json").body("{}") } else { asked }
        };
        for name in operation.query_names() {
            let (first, rest) = name.split_at(1);
            let encoded = format!("%{:02X}{rest}", first.as_bytes()[0]);
            let separator = if target.contains('?') { '&' } else { '?' };
            for (one, other) in [(name, name), (name, &*encoded)] {
                let answer = Answer::to(asked(&format!("{target}{separator}{one}=false&{other}=true"))).await;
                let refusal = answer.refusal(400, "repeated_parameter");
                assert_eq!(refusal.fields(), [(name, "repeated")], "{}", operation.id);
                refused += 1;
            }
            let misspelt = Answer::to(asked(&format!("{target}{separator}{encoded}%5Fx=1"))).await;
            let expected = format!("{name}_x");
            assert_eq!(misspelt.refusal(400, "unknown_parameter").fields(), [(&*expected, "unknown")]);
        }
        for name in operation.headers.iter().chain(&operation.optional_headers).map(String::as_str) {
            let answer = Answer::to(asked(&target).header(name, "1").header(name, "2")).await;
            let refusal = answer.refusal(400, "repeated_parameter");
            assert_eq!(refusal.fields(), [(name, "repeated")], "{}", operation.id);
            refused += 1;
        }
        let twice = Answer::to(asked(&target).header(header::AUTHORIZATION, "Bearer other")).await;
        assert_eq!(twice.refusal(400, "repeated_parameter").fields(), [("Authorization", "repeated")]);
        for encodings in ENCODINGS.into_iter().chain((!operation.takes_gzip).then_some(&["gzip"][..])) {
            let encoded = encodings
                .iter()
                .fold(asked(&target), |asked, encoding| asked.header(header::CONTENT_ENCODING, *encoding));
            let answer = Answer::to(encoded).await;
            answer.refusal(415, "unsupported_content_encoding");
            refused += 1;
        }
        // The body of a sender who signs it is read after the signature.
        if operation.body.is_null() || operation.public {
            continue;
        }
        for (body, pointer) in REPEATED_KEYS {
            let answer = Answer::to(asked(&target).body(body)).await;
            let refusal = answer.refusal(400, "repeated_key");
            assert!(refusal.fields().contains(&(pointer, "repeated")), "{}: {refusal:?}", operation.id);
            refused += 1;
        }
    }
    refused
}
