use poem_openapi::{Object, OpenApi, payload::Json, types::Example};

use super::{Disclosed, Door, Phi, ShownOnce};
use crate::http::{
    Body, Created, Page,
    document::{Document, Info},
    operation::operations,
};

struct Audited(());

impl Door for Audited {}

/// Somebody whose name is protected.
#[derive(Debug, Clone, Object)]
#[oai(example)]
struct Person {
    /// Number.
    id: i64,
    /// Name.
    name: Option<Phi<String>>,
}

impl Example for Person {
    fn example() -> Self {
        Self { id: 1, name: Some("Grace".to_owned().into()) }
    }
}

/// A visit of somebody.
#[derive(Debug, Object)]
struct Visit {
    /// The visitors.
    visitors: Vec<Person>,
}

/// A key with its secret.
#[derive(Debug, Object)]
struct Key {
    /// Number.
    id: i64,
    /// Secret.
    secret: ShownOnce<String>,
}

/// A key whose secret is any text.
#[derive(Debug, Object)]
struct CarelessKey {
    /// Secret.
    access_token: String,
}

/// Secrets that are no ShownOnce, in a list.
#[derive(Object)]
struct CarelessKeys {
    /// Secrets.
    former_secrets: Vec<String>,
}

fn person() -> Disclosed<Person, Audited> {
    Disclosed::new(Person::example(), &Audited(()))
}

fn key() -> Key {
    Key { id: 1, secret: ShownOnce::new("rxkey_4f7a".to_owned()) }
}

/// Operations as they should be.
struct Sound;

#[OpenApi]
impl Sound {
    /// Get.
    #[oai(path = "/person", method = "get", operation_id = "person_get")]
    async fn person_get(&self) -> Disclosed<Json<Person>, Audited> {
        person().map(Json)
    }

    /// List.
    #[oai(path = "/people", method = "get", operation_id = "person_list")]
    async fn person_list(&self) -> Disclosed<Json<Page<Person>>, Audited> {
        let paging = crate::http::Paging::new(None, None);
        person().map(|person| Json(paging.page(vec![person], 1)))
    }

    /// Create.
    #[oai(path = "/keys", method = "post", operation_id = "key_create")]
    async fn key_create(&self) -> Created<Key> {
        Created(key())
    }

    /// Count.
    #[oai(path = "/count", method = "get", operation_id = "person_count")]
    async fn person_count(&self) -> Json<i64> {
        Json(1)
    }
}

const SOUND: Info = Info {
    title: "t",
    version: "1.0.0",
    description: "d",
    public: &["person_get", "person_list", "key_create", "person_count"],
    headers: &[],
};

#[test]
fn an_operation_is_what_its_answer_says() {
    let marked: Vec<_> = operations::<Sound>()
        .iter()
        .map(|operation| (operation.id, operation.phi(), operation.shows_secret()))
        .collect();
    let expected = [
        ("person_get", true, false),
        ("person_list", true, false),
        ("key_create", false, true),
        ("person_count", false, false),
    ];
    assert_eq!(marked, expected);
}

#[test]
fn only_x_phi_shows_in_the_specification() {
    let text = Document::of::<Sound>(&SOUND).unwrap().text().to_owned();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let operation = |path: &str, method: &str| document["paths"][path][method].clone();
    assert_eq!(operation("/person", "get")["x-phi"], true);
    assert_eq!(operation("/people", "get")["x-phi"], true);
    assert_eq!(operation("/keys", "post")["x-phi"], serde_json::Value::Null);
    assert_eq!(operation("/count", "get")["x-phi"], serde_json::Value::Null);
    let schema = &operation("/person", "get")["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(*schema, serde_json::json!({ "$ref": "#/components/schemas/Person" }));
    let name = &document["components"]["schemas"]["Person"]["properties"]["name"];
    assert_eq!(*name, serde_json::json!({ "type": "string", "description": "Name." }));
    let secret = &document["components"]["schemas"]["Key"]["properties"]["secret"];
    assert_eq!(*secret, serde_json::json!({ "type": "string", "description": "Secret." }));
    assert!(!text.contains("server_shared"), "{text}");
}

/// Operations that forget the marks.
struct Careless;

#[OpenApi]
impl Careless {
    /// Get.
    #[oai(path = "/person", method = "get", operation_id = "person_get")]
    async fn person_get(&self) -> Json<Person> {
        Json(Person::example())
    }

    /// List.
    #[oai(path = "/visits", method = "get", operation_id = "visit_list")]
    async fn visit_list(&self) -> Json<Vec<Visit>> {
        Json(vec![Visit { visitors: vec![Person::example()] }])
    }

    /// Create.
    #[oai(path = "/keys", method = "post", operation_id = "key_create")]
    async fn key_create(&self) -> Created<CarelessKey> {
        Created(CarelessKey { access_token: "rxkey_4f7a".to_owned() })
    }

    /// List.
    #[oai(path = "/keys", method = "get", operation_id = "key_list")]
    async fn key_list(&self) -> Json<CarelessKeys> {
        Json(CarelessKeys { former_secrets: vec!["rxkey_4f7a".to_owned()] })
    }

    /// Change.
    #[oai(path = "/keys", method = "put", operation_id = "key_update")]
    async fn key_update(&self, body: Body<Key>) -> Json<i64> {
        Json(body.0.id)
    }
}

#[test]
fn an_operation_that_forgets_its_mark_is_named() {
    let info = Info { public: &["person_get", "visit_list", "key_create", "key_list", "key_update"], ..SOUND };
    let fault = Document::of::<Careless>(&info).unwrap_err().to_string();
    for told in [
        "person_get answers with Person.name, which is protected health information: return it as Disclosed",
        "visit_list answers with Person.name, which is protected health information: return it as Disclosed",
        "key_create answers with CarelessKey.access_token, which is called like a secret: make it ShownOnce",
        "key_list answers with CarelessKeys.former_secrets, which is called like a secret: make it ShownOnce",
        "key_update takes Key.secret, which is only ever answered: make it another type than ShownOnce",
    ] {
        assert!(fault.contains(told), "{told}\nis not in\n{fault}");
    }
    assert_eq!(fault.matches("; ").count(), 4, "{fault}");
}

#[tokio::test]
async fn a_disclosed_answer_is_the_answer() {
    use poem::IntoResponse;
    let response = person().map(Created).into_response();
    assert_eq!(response.status(), 201);
    assert_eq!(response.into_body().into_json::<serde_json::Value>().await.unwrap()["name"], "Grace");
    let response = Created(key()).into_response();
    assert_eq!(response.into_body().into_json::<serde_json::Value>().await.unwrap()["secret"], "rxkey_4f7a");
}

#[test]
fn what_is_logged_holds_neither() {
    let logged = format!("{:?} {:?} {:?}", Person::example(), person(), key());
    assert!(!logged.contains("Grace") && !logged.contains("4f7a"), "{logged}");
}
