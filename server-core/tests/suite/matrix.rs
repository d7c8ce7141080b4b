//! Every operation of the specification, tried by everybody: the whole policy as a grid that a
//! clinician can read, `permissions.txt`. A change of policy is a change of that file.

use std::fmt::Write as _;

use reqwest::{Method, RequestBuilder};
use restartix_sdk::core::types::Scope;
use serde_json::Value;
use test_support::{Actor, Answer, CoreApp, Program, Role};

const GRID: &str = include_str!("permissions.txt");

/// An operation and a request for it that is well formed, about things that are not there.
struct Operation {
    id: String,
    method: Method,
    path: String,
    body: Option<Value>,
    public: bool,
}

impl Operation {
    fn request(&self, asker: &Asker) -> RequestBuilder {
        let request = match asker {
            Asker::Person(actor) => actor.request(self.method.clone(), &self.path),
            Asker::Program(program) => program.request(self.method.clone(), &self.path),
        };
        self.body.iter().fold(request, reqwest::RequestBuilder::json)
    }
}

/// Who tries.
enum Asker {
    Person(Actor),
    Program(Program),
}

/// Every scope there is.
fn scopes() -> Vec<Scope> {
    let resources =
        ["patients", "appointments", "specialists", "specialties", "calendar", "forms", "documents", "webhooks"];
    let names = resources.iter().flat_map(|resource| ["read", "write"].map(|verb| format!("{resource}:{verb}")));
    names.map(|name| name.parse().expect("a scope of the specification")).collect()
}

fn operations(app: &CoreApp) -> Vec<Operation> {
    let document: Value = serde_json::from_slice(&app.server.run("openapi")).unwrap();
    let mut operations = Vec::new();
    for (template, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let Some(id) = operation["operationId"].as_str() else { continue };
            // On these the path is the organization of the request.
            let path = template.replace("{organization_id}", &app.home().id.to_string()).replace("{slug}", "nowhere");
            let uuid = "00000000-0000-4000-8000-000000000000";
            let path = path.replace("{uid}", uuid).replace("{job_id}", uuid);
            let path = path.split('/').map(|part| if part.starts_with('{') { "999999" } else { part });
            let schema = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str();
            let body = schema.map(|schema| {
                let name = schema.rsplit('/').next().unwrap();
                document["components"]["schemas"][name]["example"].clone()
            });
            assert!(body.as_ref().is_none_or(Value::is_object), "{id} has a body without an example");
            operations.push(Operation {
                id: id.to_owned(),
                method: Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(),
                path: path.collect::<Vec<_>>().join("/"),
                body,
                public: operation["security"].as_array().is_none_or(Vec::is_empty),
            });
        }
    }
    operations.sort_by(|one, other| one.id.cmp(&other.id));
    operations
}

#[tokio::test]
async fn the_policy_is_what_the_grid_says() {
    let app = CoreApp::start().await;
    let superadmin = app.superadmin().in_organization(app.home().id);
    let people = [superadmin].into_iter().chain(Role::ALL.map(|role| app.role(role))).map(Asker::Person);
    let program = Asker::Program(app.program(&scopes()).await);
    let askers = people.chain([program]).collect::<Vec<_>>();
    let mut grid = String::from("operation                   superadmin admin specialist staff patient key\n");
    for operation in operations(&app).iter().filter(|operation| !operation.public) {
        let _ = write!(grid, "{:<27}", operation.id);
        for (asker, width) in askers.iter().zip([10, 5, 10, 5, 7, 3]) {
            let answer = Answer::to(operation.request(asker)).await;
            assert!(!answer.status.is_server_error(), "{}: {}", operation.id, answer.body);
            let denied = answer.status.as_u16() == 403;
            if denied {
                answer.refusal(403, "permission_denied");
            } else {
                assert!(![400, 401].contains(&answer.status.as_u16()), "{}: {}", operation.id, answer.body);
            }
            let _ = write!(grid, " {:^width$}", if denied { "-" } else { "yes" });
        }
        grid = grid.trim_end().to_owned() + "\n";
    }
    assert_eq!(grid, GRID, "the policy differs from permissions.txt; if that is meant, the file becomes:\n{grid}");
}

#[tokio::test]
async fn a_key_without_the_scope_gets_nowhere() {
    let app = CoreApp::start().await;
    let all = scopes();
    for operation in operations(&app).iter().filter(|operation| !operation.public) {
        // Every scope but those of the operation's own resource, and none of another's is enough.
        let resource = operation.id.split('_').next().unwrap();
        let plural = if resource == "specialty" { "specialties".to_owned() } else { format!("{resource}s") };
        let others: Vec<Scope> = all.iter().filter(|scope| !scope.to_string().starts_with(&plural)).copied().collect();
        let program = Asker::Program(app.program(&others).await);
        Answer::to(operation.request(&program)).await.refusal(403, "permission_denied");
    }
}

#[tokio::test]
async fn strangers_get_nowhere() {
    let app = CoreApp::start().await;
    let stranger = Asker::Person(app.other_admin().in_organization(app.home().id));
    let http = reqwest::Client::builder().build().unwrap();
    let done = "select count(*) from audit_log where outcome = 'succeeded'";
    let before = app.count(done).await;
    for operation in operations(&app) {
        let anonymous = http.request(operation.method.clone(), format!("{}{}", app.url(), operation.path));
        let anonymous = Answer::to(operation.body.iter().fold(anonymous, reqwest::RequestBuilder::json)).await;
        if operation.public {
            // What others send is signed instead.
            let expected = if operation.id == "clerk_webhook_receive" { 401 } else { 200 };
            assert_eq!(anonymous.status.as_u16(), expected, "{}", operation.id);
            continue;
        }
        anonymous.refusal(401, "unauthenticated");
        // A member of another clinic that names this one.
        Answer::to(operation.request(&stranger)).await.refusal(404, "organization_not_found");
    }
    assert_eq!(app.count(done).await, before, "a stranger did something");
}
