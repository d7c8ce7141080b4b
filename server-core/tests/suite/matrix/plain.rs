//! Requests for domains that have nothing special, made of the specification's own examples.

use serde_json::{Value, json};
use test_support::{Actor, Answer, Fixture, Location, Operation};
use uuid::Uuid;

use super::fixture::World;

fn operation<'a>(all: &'a [Operation], id: &str) -> Option<&'a Operation> {
    all.iter().find(|operation| operation.id == id)
}

/// The example of an operation's body, under a name that nothing else has; `None` for one without a body, and where
/// the body names something by its id, which no example can know.
fn body(operation: &Operation, name: &str) -> Option<Value> {
    if operation.parameters.iter().any(|parameter| parameter.location == Location::Body) {
        return None;
    }
    let mut body = operation.example()?;
    if let Some(named) = body.get_mut("name") {
        *named = json!(format!("{name} {}", Uuid::new_v4()));
    }
    Some(body)
}

/// Creates what an id of this name is the id of, e.g. `specialty_id`; `None` if that takes more than an example.
pub(crate) async fn make(actor: &Actor, all: &[Operation], id: &str, name: &str) -> Option<Value> {
    let create = operation(all, &format!("{}_create", id.strip_suffix("_id")?))?;
    let body = body(create, name).filter(|_| !create.path.contains('{'))?;
    let answer = Answer::to(actor.request(create.method.clone(), &create.path).json(&body)).await;
    Some(answer.json(201))
}

/// Creates one of everything that takes no more than an example, and is nobody's protected health information.
pub(crate) async fn make_all(actor: &Actor, all: &[Operation]) {
    for create in all.iter().filter(|operation| !operation.phi) {
        if let Some(noun) = create.id.strip_suffix("_create") {
            make(actor, all, &format!("{noun}_id"), "Made").await;
        }
    }
}

impl World {
    /// Requests about a noun that is listed, created, read, replaced and deleted like any other.
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
