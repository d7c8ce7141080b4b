//! Blind indexes of the addresses of users and invitations: the refresh of rows that were indexed in former forms.

use reqwest::Method;
use restartix_sdk::core::types::{CreatePatient, MemberRole};
use serde_json::Value;
use server_shared::crypto::{BlindIndex, Key32};
use sqlx::AssertSqlSafe;
use test_support::{Answer, ClerkApi, CoreApp, granted};

use crate::{
    gdpr::clinic,
    invitation::{invite, mine, signed_up},
    patient_values::{outcome, refresh},
};

const JO: &str = "jo@b\u{fc}cher.example";
const ANN: &str = "ann@b\u{fc}cher.example";

/// The index that the version before made of an address.
fn former(app: &CoreApp, address: &str) -> Vec<u8> {
    index(app, &address.trim().to_lowercase())
}

fn index(app: &CoreApp, normalized: &str) -> Vec<u8> {
    let key = Key32::from_hex(&app.server.environment()["BLIND_INDEX_KEY"]).unwrap();
    BlindIndex::new(key).of(0, "email", normalized).to_vec()
}

async fn index_set(app: &CoreApp, table: &str, id: i64, set: &str, index: &[u8]) {
    let sql = format!("update {table} set {set} where id = $1");
    let done = sqlx::query(AssertSqlSafe(sql)).bind(id).bind(index).execute(&mut app.owner().await).await.unwrap();
    assert_eq!(done.rows_affected(), 1);
}

async fn stored(app: &CoreApp, table: &str, id: i64) -> (Vec<u8>, Option<i32>) {
    let sql = format!("select email_index, indexes_version from {table} where id = $1");
    sqlx::query_as(AssertSqlSafe(sql)).bind(id).fetch_one(&mut app.owner().await).await.unwrap()
}

#[tokio::test]
async fn people_and_invitations_of_former_indexes_find_each_other_after_a_refresh() {
    let clerk = ClerkApi::start([]).await;
    let mut clinic = clinic(&clerk).await;
    let (admin, home) = (clinic.core.admin(), clinic.core.home().id);
    let jo = signed_up(&clinic.core, "Jo", JO).await;
    let ann = signed_up(&clinic.core, "Ann", ANN).await;
    let to_jo = invite(&admin, home, JO, MemberRole::Staff).await.id;
    let to_ann = invite(&admin, home, ANN, MemberRole::Staff).await.id;
    clinic.core.server.stop().await;

    let app = &clinic.core;
    index_set(app, "users", jo.user_id, "email_index = $2, indexes_version = null", &former(app, JO)).await;
    // As a process of the version before writes it, which knows no version.
    index_set(app, "invitations", to_ann, "email_index = $2", &former(app, ANN)).await;
    assert_eq!(stored(app, "invitations", to_ann).await.1, Some(-1));
    let (code, said) = outcome(refresh(app, &["--dry-run"]));
    assert_eq!(code, Some(3), "{said}");
    for table in ["users", "invitations"] {
        assert!(said.contains(&format!("{table}: indexes of 1 rows")), "{said}");
    }
    let (code, said) = outcome(refresh(app, &[]));
    assert_eq!(code, Some(0), "{said}");

    clinic.core.server.start().await;
    let app = &clinic.core;
    for (person, address, invitation) in [(&jo, JO, to_jo), (&ann, ANN, to_ann)] {
        let seen: Vec<i64> = mine(&app.actor(person)).await.iter().map(|one| one.id).collect();
        assert_eq!(seen, [invitation], "{address}");
        let path = format!("/v1/gdpr/users/{}/export", person.user_id);
        let document = Answer::to(app.superadmin().request(Method::GET, &path)).await.json(200);
        let invited: Vec<&Value> = document["core"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|holding| holding["table"] == "invitations" && holding["found_by"] == "address:email_index")
            .flat_map(|holding| holding["rows"].as_array().unwrap())
            .collect();
        assert_eq!(invited.len(), 1, "{address}: {document}");
        assert_eq!(invite(&admin, home, address, MemberRole::Staff).await.id, invitation, "it is renewed");
    }
}

#[tokio::test]
async fn of_equal_invitations_the_older_keeps_its_index() {
    let mut app = CoreApp::start().await;
    let (admin, home) = (app.admin(), app.home().id);
    let older = invite(&admin, home, JO, MemberRole::Staff).await.id;
    let (first, second) = (index(&app, "former"), index(&app, "another former"));
    index_set(&app, "invitations", older, "email_index = $2, indexes_version = 1", &first).await;
    let newer = invite(&admin, home, JO, MemberRole::Staff).await.id;
    assert_ne!(older, newer);
    app.server.stop().await;
    index_set(&app, "invitations", older, "email_index = $2, indexes_version = null", &first).await;
    index_set(&app, "invitations", newer, "email_index = $2, indexes_version = null", &second).await;
    let (code, said) = outcome(refresh(&app, &[]));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&format!("invitations {older}: the e-mail address equals another")), "{said}");
    assert!(!said.contains("jo@"), "{said}");
    assert_eq!(stored(&app, "invitations", older).await, (first, Some(1)));
    assert_eq!(stored(&app, "invitations", newer).await, (index(&app, "jo@xn--bcher-kva.example"), Some(1)));
    let (code, said) = outcome(refresh(&app, &[]));
    assert_eq!((code, said.contains("equals")), (Some(0), false), "{said}");
}

#[tokio::test]
async fn values_that_do_not_open_are_reported_once() {
    let mut app = CoreApp::start().await;
    let admin = app.admin();
    let user = signed_up(&app, "Jo", JO).await.user_id;
    let invitation = invite(&admin, app.home().id, ANN, MemberRole::Staff).await.id;
    let body = CreatePatient { email: Some(ANN.to_owned()), ..CoreApp::new_patient("Ann", "Lee") };
    let patient = granted(admin.patient_create().body(body).send().await, 201).id;
    app.server.stop().await;
    let rows = [("users", user), ("invitations", invitation), ("patients", patient)];
    let old = index(&app, "former");
    for (table, id) in rows {
        index_set(&app, table, id, "email_index = $2, indexes_version = null", &old).await;
    }

    // A key that is not configured says nothing of the values.
    let mut wrong = refresh(&app, &[]);
    wrong.env("ENCRYPTION_KEY", "7".repeat(64));
    let (code, said) = outcome(wrong);
    assert_eq!(code, Some(3), "{said}");
    for (table, id) in rows {
        assert!(said.contains(&format!("{table} {id}: the values do not open")), "{said}");
        assert_eq!(stored(&app, table, id).await, (old.clone(), None));
    }

    for (table, id) in rows {
        index_set(&app, table, id, "email_encrypted = '\\x00', email_index = $2, indexes_version = null", &old).await;
    }
    let (code, said) = outcome(refresh(&app, &[]));
    assert_eq!(code, Some(0), "{said}");
    for (table, id) in rows {
        assert!(said.contains(&format!("{table} {id}: the values do not open")), "{said}");
        let version = if table == "patients" { 2 } else { 1 };
        assert_eq!(stored(&app, table, id).await, (old.clone(), Some(version)));
    }
    let (code, said) = outcome(refresh(&app, &[]));
    assert_eq!((code, said.contains("do not open")), (Some(0), false), "{said}");
}
