//! Moments that a caller may send never break an operation, however they lie to each other.

use serde_json::Value;
use test_support::{Answer, Grid, Operation, TelemetryApp, moment_pairs};

use crate::matrix::{ASKERS, Asker, GRID, World};

/// Pairs that each operation is tried with.
const PAIRS: usize = 60;

#[tokio::test]
async fn no_pair_of_moments_breaks_an_operation_that_takes_two() {
    let world = World::new(TelemetryApp::start().await).await;
    let granted = Grid::parse(GRID);
    let mut tried = 0;
    for operation in Operation::all(&world.app.server) {
        let places = operation.moments();
        let [first, second] = places.as_slice() else { continue };
        tried += 1;
        let asker = ASKERS.into_iter().find(|name| granted.grants(&operation.id, name));
        let asker = Asker::named(asker.unwrap_or_else(|| panic!("{} is for nobody", operation.id)));
        let mut done = 0;
        for [start, end] in moment_pairs(PAIRS) {
            let request = world.fixture(&operation.id).await.naming(first, &Value::from(start.as_str()));
            let request = request.naming(second, &Value::from(end.as_str()));
            let answer = Answer::to(asker.request(&world.app, &operation, &request)).await;
            let status = answer.status.as_u16();
            assert!(status < 500, "{}: {start} and {end}: {status}: {}", operation.id, answer.body);
            done += usize::from(status < 300);
        }
        assert!(done > 0, "{} refused every pair", operation.id);
    }
    assert!(tried >= 6, "only {tried} operations take two moments");
}
