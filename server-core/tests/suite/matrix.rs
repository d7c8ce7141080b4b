//! Every operation of the specification, tried by everybody: the whole policy as a grid that a
//! clinician can read, `permissions.txt`. A change of policy is a change of that file.

use std::fmt::Write as _;

use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use test_support::{Actor, Answer, CoreApp, Role};

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
    fn request(&self, actor: &Actor) -> RequestBuilder {
        let request = actor.request(self.method.clone(), &self.path);
        self.body.iter().fold(request, reqwest::RequestBuilder::json)
    }
}

fn operations(app: &CoreApp) -> Vec<Operation> {
    let document: Value = serde_json::from_slice(&app.server.run("openapi")).unwrap();
    let mut operations = Vec::new();
    for (template, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let Some(id) = operation["operationId"].as_str() else { continue };
            // On these the path is the organization of the request.
            let path = template.replace("{organization_id}", &app.home().id.to_string()).replace("{slug}", "nowhere");
            let path = path.replace("{uid}", "00000000-0000-4000-8000-000000000000");
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
    let actors = [superadmin].into_iter().chain(Role::ALL.map(|role| app.role(role))).collect::<Vec<_>>();
    let mut grid = String::from("operation                   superadmin admin specialist staff patient\n");
    for operation in operations(&app).iter().filter(|operation| !operation.public) {
        let _ = write!(grid, "{:<27}", operation.id);
        for (actor, width) in actors.iter().zip([10, 5, 10, 5, 7]) {
            let answer = Answer::to(operation.request(actor)).await;
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
async fn strangers_get_nowhere() {
    let app = CoreApp::start().await;
    let stranger = app.other_admin().in_organization(app.home().id);
    let http = reqwest::Client::builder().build().unwrap();
    let before = app.count("select count(*) from audit_log").await;
    for operation in operations(&app) {
        let anonymous = http.request(operation.method.clone(), format!("{}{}", app.url(), operation.path));
        let anonymous = Answer::to(operation.body.iter().fold(anonymous, reqwest::RequestBuilder::json)).await;
        if operation.public {
            assert_eq!(anonymous.status.as_u16(), 200, "{}", operation.id);
            continue;
        }
        anonymous.refusal(401, "unauthenticated");
        // A member of another clinic that names this one.
        Answer::to(operation.request(&stranger)).await.refusal(404, "organization_not_found");
    }
    assert_eq!(app.count("select count(*) from audit_log").await, before, "a stranger did something");
}
