//! Every operation of the specification, called by every kind of caller: the whole policy as a grid that a clinician
//! can read, `permissions.txt`. A change of the policy is a change of that file.

mod asker;
mod disclosed;
mod fixture;
mod foreign;
mod left;
mod people;
mod plain;
mod role_change;
mod scheduling;
mod spelling;
mod stores;

use futures_util::future::join_all;
use reqwest::Method;
use test_support::{Answer, Grid};

pub(crate) use self::{
    asker::Asker,
    fixture::{Surroundings, World},
    plain::make_all,
};
use self::{asker::scopes, stores::Stores};

const FILE: &str = "server-core/tests/suite/matrix/permissions.txt";
const GRID: &str = include_str!("permissions.txt");

/// Callers. Requests are about records of the clinic's specialist and patient; the "other" ones are another specialist
/// and another patient of the same clinic.
const ASKERS: [&str; 8] =
    ["superadmin", "admin", "specialist", "staff", "patient", "key", "other-specialist", "other-patient"];

const NOTES: &str = "\
What each operation of Core answers to whom, about something that is there and waits for it.
2xx: done. 403: not allowed. 404: another's, and as if it were not there. 422: names somebody else as oneself.
key: an API key with every scope. other-…: of the same clinic, but it is the specialist's and the patient's.
Written by the test beside it, which compares all of it.";

/// Returns the first of `who` with permission for an operation.
pub(crate) fn granted_to(operation: &str, who: &[&'static str]) -> &'static str {
    let granted = Grid::parse(GRID);
    let first = who.iter().copied().find(|name| granted.grants(operation, name));
    first.unwrap_or_else(|| panic!("{operation} is for none of {who:?}"))
}

/// Calls every operation as one caller, in a clinic of its own; returns the status of each.
async fn column(around: &Surroundings, name: &str, committed: &Grid) -> Vec<(String, String)> {
    let world = World::start(around).await;
    let asker = world.asker(name).await;
    let mut stores = Stores::of(&world.app).await;
    let mut cells = Vec::new();
    for operation in world.operations.iter().filter(|operation| !operation.public) {
        let id = operation.id.as_str();
        let fixture = world.fixture(id).await;
        // The caller is still needed for the operations that follow.
        let leaver = if id == "me_delete" { Some(world.leaver(name).await) } else { None };
        // A granted operation changes data; if it is refused after all, the comparison with the grid fails anyway.
        let before = if committed.grants(id, name) { None } else { Some(stores.take().await) };
        let answer = Answer::to(leaver.as_ref().unwrap_or(&asker).request(operation, &fixture)).await;
        let status = answer.status.as_u16();
        match status {
            200..=299 => {
                assert!(operation.successes.contains(&status), "{id} by {name}: {status} is not in the specification");
                world.assert_hides(name, id, &answer.body);
            }
            403 => drop(answer.refusal(403, fixture::forbidden(id, name))),
            404 if name.starts_with("other") || (id, name) == ("calendar_feed_delete", "superadmin") => {
                drop(answer.refusal(404, &fixture::not_found(id)));
            }
            422 if name.starts_with("other") => {
                let own = if name == "other-patient" { "/patient_id" } else { "/specialist_id" };
                assert_eq!(answer.refusal(422, "validation_failed").fields(), [(own, "not_own")], "{id}");
            }
            _ => panic!("{id} by {name}: {status}, so the fixture is wrong: {}", answer.body),
        }
        if let Some(before) = before.filter(|_| status >= 300) {
            assert_eq!(stores.take().await, before, "{id} by {name}: {status}, and something was changed");
        }
        cells.push((id.to_owned(), status.to_string()));
    }
    cells
}

#[tokio::test]
async fn the_matrix_is_what_the_grid_says() {
    let around = Surroundings::start().await;
    let committed = Grid::parse(GRID);
    let columns = join_all(ASKERS.map(|name| column(&around, name, &committed))).await;
    let mut grid = Grid::new(NOTES, &ASKERS);
    for (line, (operation, _)) in columns[0].iter().enumerate() {
        grid.line(operation, columns.iter().map(|column| column[line].1.clone()).collect());
    }
    grid.assert_committed(FILE, GRID);
}

#[tokio::test]
async fn a_key_without_the_scope_gets_nowhere_in_the_matrix() {
    let around = Surroundings::start().await;
    let world = World::start(&around).await;
    let mut stores = Stores::of(&world.app).await;
    let all = scopes(&world.operations);
    for operation in world.operations.iter().filter(|operation| !operation.public) {
        // Every scope except those of the operation's own resource: no scope of another resource is enough.
        let resource = operation.id.split('_').next().unwrap();
        let plural = match resource {
            "calendar" => "calendar".to_owned(),
            // The waitlist belongs to the scopes of appointments.
            "waitlist" => "appointments".to_owned(),
            _ => resource.strip_suffix('y').map_or_else(|| format!("{resource}s"), |stem| format!("{stem}ies")),
        };
        let others: Vec<_> = all.iter().filter(|scope| !scope.to_string().starts_with(&plural)).copied().collect();
        let program = Asker::Program(world.app.program(&others).await);
        let fixture = world.fixture(&operation.id).await;
        let before = stores.take().await;
        Answer::to(program.request(operation, &fixture)).await.refusal(403, "permission_denied");
        assert_eq!(stores.take().await, before, "{} changed something", operation.id);
    }
}

#[tokio::test]
async fn strangers_get_nowhere_in_the_matrix() {
    let around = Surroundings::start().await;
    let world = World::start(&around).await;
    let mut stores = Stores::of(&world.app).await;
    let nobody = Asker::nobody(&world.app);
    // A member of another clinic who names this one in the header.
    let stranger = Asker::Person(world.app.other_admin().in_organization(world.app.home().id));
    for operation in &world.operations {
        let fixture = world.fixture(&operation.id).await;
        let before = stores.take().await;
        let anonymous = Answer::to(nobody.request(operation, &fixture)).await;
        if operation.public {
            // Public operations that are not reads are authenticated by a signature.
            let expected = if operation.method == Method::GET { 200 } else { 401 };
            assert_eq!(anonymous.status.as_u16(), expected, "{}", operation.id);
        } else {
            anonymous.refusal(401, "unauthenticated");
            Answer::to(stranger.request(operation, &fixture)).await.refusal(404, "organization_not_found");
        }
        assert_eq!(stores.take().await, before, "a stranger did {}", operation.id);
    }
    let before = stores.take().await;
    world.fixture("patient_delete").await;
    assert_ne!(stores.take().await, before, "what is done is seen");
}
