//! Sends oversized requests to every operation of a specification: each must be refused with a short answer and
//! with little memory.

use reqwest::{RequestBuilder, header};

use super::{Hostile, Memory, Operation};
use crate::{Answer, Server};

/// No operation takes a body of this many bytes.
const TOO_LARGE: usize = 6 * 1024 * 1024;
/// Longest answer to a request that is refused, in bytes.
const ANSWER: usize = 64 * 1024;
/// HTTP statuses that refuse a request as too large or wrong; the first only for a public operation.
const REFUSED: [u16; 7] = [401, 400, 413, 414, 415, 422, 431];
/// Memory that a request may take until it is refused, in bytes.
const MEMORY: usize = 32 * 1024 * 1024;

/// Asks every operation of `server` for too much, by requests of `request` for a path of the operation's.
/// Panics where one is not refused within bounds. Gives how many were refused.
pub async fn assert_bounded(server: &Server, request: impl Fn(&Operation, &str) -> RequestBuilder) -> usize {
    let memory = Memory::of(server.pid());
    let (bombs, queries) = (Hostile::bombs(), Hostile::queries());
    let operations = Operation::all(server);
    let mut limits = Vec::new();
    for operation in &operations {
        // Compiles the schema, which happens once, and determines the limit of the body.
        let path = operation.somewhere();
        if !operation.body.is_null() {
            let small = request(operation, &path).header(header::CONTENT_TYPE, "application/json");
            Answer::to(small.body(r#"{"no_such_field":[0]}"#)).await;
        }
        let large = request(operation, &path).header(header::CONTENT_TYPE, "application/json");
        let refused = Answer::to(large.body(vec![b'0'; TOO_LARGE])).await.refusal(413, "body_too_large");
        limits.push(usize::try_from(refused.details["limit"].as_u64().expect("a limit is a number")).expect("it fits"));
    }
    let mut refused = 0;
    for (operation, limit) in operations.iter().zip(limits) {
        let bodies = operation.hostile_bodies(limit);
        let compressed = bombs.iter().filter(|_| !bodies.is_empty());
        for hostile in queries.iter().chain(compressed).chain(&bodies) {
            let what = format!("{} with {}", operation.id, hostile.name);
            let mut target = operation.somewhere();
            if !hostile.query.is_empty() {
                let begin = if target.contains('?') { '&' } else { '?' };
                target = format!("{target}{begin}{}", hostile.query);
            }
            let mut asked = request(operation, &target);
            if let Some(body) = &hostile.body {
                asked = asked.header(header::CONTENT_TYPE, "application/json").body(body.clone());
            }
            // Without them, the body would not be read.
            asked = operation.headers.iter().fold(asked, |asked, name| asked.header(name, "1"));
            if hostile.gzip {
                asked = asked.header(header::CONTENT_ENCODING, "gzip");
            }
            let before = memory.mark();
            let answer = Answer::to(asked).await;
            let grown = memory.most().saturating_sub(before);
            // Public operations may require a signature.
            let expected: &[u16] = if operation.public { &REFUSED } else { &REFUSED[1..] };
            assert!(expected.contains(&answer.status.as_u16()), "{what}: {} {:.200}", answer.status, answer.body);
            assert!(
                answer.body.len() < ANSWER,
                "{what} is answered by {} bytes: {:.200}",
                answer.body.len(),
                answer.body
            );
            assert!(grown < MEMORY, "{what} took {} MiB of memory", grown / 1024 / 1024);
            refused += 1;
        }
    }
    refused
}
