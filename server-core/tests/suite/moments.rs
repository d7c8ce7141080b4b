//! Moments that a caller may send never break an operation, however they lie to each other.

use serde_json::Value;
use test_support::{Answer, moment_pairs};

use crate::matrix::{Surroundings, World};

/// Pairs that each operation is tried with.
const PAIRS: usize = 60;

#[tokio::test]
async fn no_pair_of_moments_breaks_an_operation_that_takes_two() {
    let around = Surroundings::start().await;
    let world = World::start(&around).await;
    let admin = world.asker("admin").await;
    let mut tried = 0_u64;
    for operation in &world.operations {
        let places = operation.moments();
        let [first, second] = places.as_slice() else { continue };
        tried += 1;
        let mut fixture = world.fixture(&operation.id).await;
        let (mut done, mut refused) = (0, String::new());
        // Other pairs than the operation before had, which may have booked them.
        for [start, end] in moment_pairs(PAIRS, tried) {
            let request = fixture.clone().naming(first, &Value::from(start.as_str()));
            let request = request.naming(second, &Value::from(end.as_str()));
            let answer = Answer::to(admin.request(operation, &request)).await;
            let status = answer.status.as_u16();
            assert!(status < 500, "{}: {start} and {end}: {status}: {}", operation.id, answer.body);
            if status < 300 {
                done += 1;
                // What was waiting for the operation is used up.
                fixture = world.fixture(&operation.id).await;
            } else {
                refused = format!("{start} and {end}: {}", answer.body);
            }
        }
        assert!(done > 0, "{} refused every pair, and {refused}", operation.id);
    }
    assert!(tried >= 8, "only {tried} operations take two moments");
}
