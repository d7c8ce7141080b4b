//! Requests for ordinary domains, made from the examples in the specification.

use serde_json::{Value, json};
use test_support::{Actor, Answer, Fixture, Location, Operation};
use uuid::Uuid;

use super::fixture::World;

fn operation<'a>(all: &'a [Operation], id: &str) -> Option<&'a Operation> {
    all.iter().find(|operation| operation.id == id)
}

/// Returns the example of an operation's body, with a unique name or key. Returns `None` for an operation without a
/// body, and for a body that refers to a record by id, which no example can know.
fn body(operation: &Operation, name: &str) -> Option<Value> {
    if operation.parameters.iter().any(|parameter| parameter.location == Location::Body) {
        return None;
    }
    let mut body = operation.example()?;
    if let Some(named) = body.get_mut("name") {
        *named = json!(format!("{name} {}", Uuid::new_v4()));
    }
    if let Some(key) = body.get_mut("key") {
        *key = json!(format!("made_{}", Uuid::new_v4().simple()));
    }
    Some(body)
}

/// Creates the record that a parameter of this name refers to, e.g. `specialty_id`; `None` if that takes more than the
/// example.
pub(crate) async fn make(actor: &Actor, all: &[Operation], id: &str, name: &str) -> Option<Value> {
    let create = operation(all, &format!("{}_create", id.strip_suffix("_id")?))?;
    let body = body(create, name).filter(|_| !create.path.contains('{'))?;
    let answer = Answer::to(actor.request(create.method.clone(), &create.path).json(&body)).await;
    Some(answer.json(201))
}

/// Creates one record of each noun that can be created from its example and holds no protected health information.
pub(crate) async fn make_all(actor: &Actor, all: &[Operation]) {
    for create in all.iter().filter(|operation| !operation.phi) {
        if let Some(noun) = create.id.strip_suffix("_create") {
            make(actor, all, &format!("{noun}_id"), "Made").await;
        }
    }
}

impl World {
    /// Builds requests about a noun with only the ordinary operations: list, create, get, update and delete.
    pub(super) async fn of_plain(&self, id: &str) -> Option<Fixture> {
        let (noun, verb) = id.rsplit_once('_')?;
        let asked = operation(&self.operations, id)?;
        let parameter = format!("{noun}_id");
        let made = async || make(&self.app.admin(), &self.operations, &parameter, "Made").await;
        Some(match verb {
            "list" => Fixture::default(),
            "create" => Fixture::default().body(body(asked, "Made")?),
            "get" | "delete" => Fixture::default().with(&parameter, &made().await?["id"]),
            "update" => {
                let (made, mut body) = (made().await?, body(asked, "Made")?);
                if let Some(version) = made.get("version") {
                    body["version"] = version.clone();
                }
                Fixture::default().with(&parameter, &made["id"]).body(body)
            }
            _ => return None,
        })
    }
}
