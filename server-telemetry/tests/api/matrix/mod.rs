//! Every operation of the specification, called by every kind of caller: the access policy as a grid that a
//! clinician can read, `permissions.txt`. A change of the policy is a change of that file.

mod asker;
mod fixture;
mod foreign;
mod spelling;
mod stores;

use test_support::{Answer, Grid, Operation, TelemetryApp};

use self::{
    asker::{ASKERS, Asker},
    fixture::World,
    stores::Stores,
};

const FILE: &str = "server-telemetry/tests/api/matrix/permissions.txt";
const GRID: &str = include_str!("permissions.txt");

const NOTES: &str = "\
Status with which each operation of Telemetry answers each kind of caller, for data that exists.
2xx: done. 401: not a kind of caller that the operation accepts. 403: not permitted.
platform: a superadmin in no organization. other-patient: a patient of the same organization whose data it is not.
service: Core, with the service token. session: a caller with a session token of the identity provider, meant for Core.
Written by the test beside it, which compares every line.";

#[tokio::test]
async fn the_matrix_is_what_the_grid_says() {
    let world = World::new(TelemetryApp::start().await).await;
    let mut stores = Stores::of(&world.app).await;
    let committed = Grid::parse(GRID);
    let mut grid = Grid::new(NOTES, &ASKERS);
    for operation in Operation::all(&world.app.server).iter().filter(|operation| !operation.public) {
        let id = operation.id.as_str();
        let mut cells = Vec::new();
        // Fixture that no caller has used up yet, and the contents of the stores since.
        let (mut waiting, mut held) = (None, None);
        for name in ASKERS {
            let fixture = match waiting.take() {
                Some(fixture) => fixture,
                None => world.fixture(id).await,
            };
            // A permitted request changes the stores, so they are compared only for refused ones. If a permitted
            // one is refused after all, the comparison with the grid fails.
            let before = match held.take() {
                _ if committed.grants(id, name) => None,
                None => Some(stores.take().await),
                held => held,
            };
            let answer = Answer::to(Asker::named(name).request(&world.app, operation, &fixture)).await;
            let status = answer.status.as_u16();
            match status {
                200..=299 => assert!(
                    operation.successes.contains(&status),
                    "{id} by {name}: {status} is not in the specification"
                ),
                401 => drop(answer.refusal(401, "unauthenticated")),
                403 if name == "platform" => drop(answer.refusal(403, "organization_required")),
                403 => drop(answer.refusal(403, "permission_denied")),
                _ => panic!("{id} by {name}: {status}, so the fixture is wrong: {}", answer.body),
            }
            if status == 202 && id.ends_with("_track") {
                assert_eq!(answer.json(202)["stored"], 1, "{id} by {name}: {}", answer.body);
            }
            if let Some(before) = before.filter(|_| status >= 300) {
                let after = stores.take().await;
                assert_eq!(after, before, "{id} by {name}: {status}, and something was changed");
                (waiting, held) = (Some(fixture), Some(after));
            }
            cells.push(status.to_string());
        }
        grid.line(id, cells);
    }
    grid.assert_committed(FILE, GRID);
}
