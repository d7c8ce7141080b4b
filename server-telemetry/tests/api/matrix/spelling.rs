//! Ids have one spelling. Every operation with an id in its path is called with each other spelling of an
//! existing id, by a caller who is permitted: nothing is done, and no audit entry says otherwise.

use test_support::{Answer, Grid, Operation, TelemetryApp};

use super::{GRID, asker::Asker, fixture::World, stores::Stores};

/// Callers, one of whom may call any operation.
const DOERS: [&str; 4] = ["admin", "patient", "superadmin", "service"];

#[tokio::test]
async fn an_id_in_a_path_has_one_spelling_in_the_matrix() {
    let world = World::new(TelemetryApp::start().await).await;
    let committed = Grid::parse(GRID);
    let mut stores = Stores::of(&world.app).await;
    let mut tried = 0;
    for operation in Operation::all(&world.app.server).iter().filter(|operation| !operation.path_ids.is_empty()) {
        let id = &operation.id;
        let doer = DOERS.into_iter().find(|name| committed.grants(id, name));
        let asker = Asker::named(doer.unwrap_or_else(|| panic!("nobody of {DOERS:?} may do {id}")));
        let fixture = world.fixture(id).await;
        let before = stores.take().await;
        for spelt in operation.misspellings(&fixture) {
            let answer = Answer::to(asker.request_to(&world.app, operation, &spelt.target, &fixture)).await;
            let what = format!("{id} of {} ({}): {}", spelt.target, spelt.parameter, answer.body);
            assert!([400, 404].contains(&answer.status.as_u16()), "{what}");
            tried += 1;
        }
        assert_eq!(stores.take().await, before, "{id}: something was changed, or the trail says so");
        // With the right spelling the operation succeeds, so nothing else was wrong with the request.
        let answer = Answer::to(asker.request(&world.app, operation, &fixture)).await;
        assert!(operation.successes.contains(&answer.status.as_u16()), "{id}: {} {}", answer.status, answer.body);
        if operation.changes() {
            assert_ne!(stores.take().await, before, "{id}: what is done is seen");
        }
    }
    assert!(tried > 50, "only {tried} requests were spelt another way");
}
