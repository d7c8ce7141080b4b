//! Names: their one form, what makes two of them equal, and the order of lists.

use std::collections::BTreeMap;

use reqwest::{Method, header::CONTENT_TYPE};
use restartix_sdk::core::types::{
    ConnectUser, CreateApiKey, CreateOrganization, LinkRecord, MemberRole, Scope, SpecialtyInput, UpdateOrganization,
};
use serde_json::Value;
use test_support::{Actor, Answer, ClerkApi, CoreApp, Role, granted, refused};

use crate::{
    bootstrap::bootstrap,
    clerk::{event, told},
    gdpr::{clinic, finished},
    invitation::signed_up,
    patient_values::{outcome, refresh},
};

/// Names in the order of no list.
const TYPED: [&str; 6] = ["Zimmer", "zebra", "Östlund", "ärger", "Álvarez", "Alvarado"];
const SORTED: [&str; 6] = ["Alvarado", "Álvarez", "ärger", "Östlund", "zebra", "Zimmer"];

fn reversed(mut names: Vec<String>) -> Vec<String> {
    names.reverse();
    names
}

fn specialty(name: &str) -> SpecialtyInput {
    SpecialtyInput { name: name.to_owned(), description: None }
}

async fn specialty_create(actor: &Actor, name: &str) -> i64 {
    granted(actor.specialty_create().body(specialty(name)).send().await, 201).id
}

#[tokio::test]
async fn specialties_sort_by_the_collation() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    for name in TYPED {
        specialty_create(&admin, name).await;
    }
    let names = |page: restartix_sdk::core::types::PageSpecialty| -> Vec<String> {
        page.data.into_iter().map(|specialty| specialty.name).collect()
    };
    assert_eq!(names(granted(admin.specialty_list().send().await, 200)), SORTED);
    assert_eq!(reversed(names(granted(admin.specialty_list().sort("-name").send().await, 200))), SORTED);
    let second = granted(admin.specialty_list().page(2).page_size(4).send().await, 200);
    assert_eq!(names(second), SORTED[4..]);
}

#[tokio::test]
async fn specialists_sort_by_the_collation() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    granted(admin.specialist_delete().specialist_id(app.home().specialist_id).send().await, 204);
    for name in TYPED {
        granted(admin.specialist_create().body(CoreApp::new_specialist(name)).send().await, 201);
    }
    let names = |page: restartix_sdk::core::types::PageSpecialist| -> Vec<String> {
        page.data.into_iter().map(|specialist| specialist.name).collect()
    };
    assert_eq!(names(granted(admin.specialist_list().send().await, 200)), SORTED);
    assert_eq!(reversed(names(granted(admin.specialist_list().sort("-name").send().await, 200))), SORTED);
}

#[tokio::test]
async fn appointment_templates_sort_by_the_collation() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    for name in TYPED {
        app.appointment_template_create(&admin, CoreApp::new_appointment_template(name)).await;
    }
    let names = |page: restartix_sdk::core::types::PageAppointmentTemplate| -> Vec<String> {
        page.data.into_iter().map(|template| template.name).collect()
    };
    assert_eq!(names(granted(admin.appointment_template_list().send().await, 200)), SORTED);
    assert_eq!(reversed(names(granted(admin.appointment_template_list().sort("-name").send().await, 200))), SORTED);
}

#[tokio::test]
async fn organizations_sort_by_the_collation() {
    let app = CoreApp::start().await;
    let superadmin = app.superadmin();
    for name in TYPED {
        let body = CreateOrganization {
            name: name.to_owned(),
            slug: None,
            timezone: "UTC".to_owned(),
            clerk_organization_id: None,
            country: None,
        };
        granted(superadmin.organization_create().body(body).send().await, 201);
    }
    let listed = granted(superadmin.organization_list().send().await, 200).data;
    let names: Vec<&str> = listed.iter().map(|organization| organization.name.as_str()).collect();
    // Two are there from the beginning.
    assert_eq!(
        names,
        ["Alvarado", "Álvarez", "ärger", "Hillside Clinic", "Östlund", "Riverside Clinic", "zebra", "Zimmer"]
    );
}

#[tokio::test]
async fn members_sort_by_the_collation() {
    let app = CoreApp::start().await;
    let (admin, home) = (app.admin(), app.home().id);
    for (number, name) in TYPED.into_iter().enumerate() {
        let email = format!("member{number}@example.org");
        let person = signed_up(&app, name, &email).await;
        let body = ConnectUser { email: Some(email), user_id: None, role: MemberRole::Staff };
        let invited = granted(admin.member_connect().organization_id(home).body(body).send().await, 201);
        granted(app.actor(&person).me_invitation_accept().invitation_id(invited.id).send().await, 200);
    }
    let members = granted(admin.member_list().organization_id(home).send().await, 200).data;
    let names: Vec<String> =
        members.into_iter().map(|member| member.name).filter(|name| TYPED.contains(&name.as_str())).collect();
    assert_eq!(names, SORTED);
}

#[tokio::test]
async fn names_of_specialties_are_equal_if_people_take_them_for_equal() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    for (one, other) in
        [("Groß", "GROSS"), ("Ärztin’s", "arztin's"), ("Anne–Marie", "anne-marie"), ("Re\u{301}e  A", "rée a")]
    {
        let id = specialty_create(&admin, one).await;
        refused(admin.specialty_create().body(specialty(other)).send().await, 409, "specialty_name_taken");
        let third = specialty_create(&admin, &format!("{other} 2")).await;
        let rename = admin.specialty_update().specialty_id(third).body(specialty(other));
        refused(rename.send().await, 409, "specialty_name_taken");
        // To itself it is not another.
        granted(admin.specialty_update().specialty_id(id).body(specialty(other)).send().await, 200);
        granted(admin.specialty_delete().specialty_id(id).send().await, 204);
        specialty_create(&admin, one).await;
    }
    specialty_create(&app.other_admin(), "GROSS").await;
}

#[tokio::test]
async fn names_without_keys_are_unique_too_and_sort_last() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    specialty_create(&admin, "Zimmer").await;
    let id = specialty_create(&admin, "Hands").await;
    // As a process of the version before does it.
    let rename = "update specialties set name = 'Arms' where id = $1";
    sqlx::query(rename).bind(id).execute(&mut app.owner().await).await.unwrap();
    assert_eq!(app.count("select count(*) from specialties where name_folded = 'hands'").await, 0);
    // The refresh leaves rows of the present version alone.
    let unkeyed = "update specialties set name_folded = null, name_sort = null, name_keys_version = 1 where id = $1";
    sqlx::query(unkeyed).bind(id).execute(&mut app.owner().await).await.unwrap();
    let listed = granted(admin.specialty_list().send().await, 200).data;
    assert_eq!(listed.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["Zimmer", "Arms"]);
    refused(admin.specialty_create().body(specialty("ARMS")).send().await, 409, "specialty_name_taken");
    // Written again, it has them; the key that is compared only when it is renamed.
    granted(admin.specialty_update().specialty_id(id).body(specialty("Arms")).send().await, 200);
    let listed = granted(admin.specialty_list().send().await, 200).data;
    assert_eq!(listed.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["Arms", "Zimmer"]);
}

#[tokio::test]
async fn every_name_that_is_typed_has_its_keys() {
    let app = CoreApp::start().await;
    let (admin, home) = (app.admin(), app.home().id);
    let id = specialty_create(&admin, "A").await;
    granted(admin.specialty_update().specialty_id(id).body(specialty("B")).send().await, 200);
    let id = granted(admin.specialist_create().body(CoreApp::new_specialist("A")).send().await, 201).id;
    let replace = admin.specialist_update().specialist_id(id).body(CoreApp::new_specialist("B"));
    granted(replace.send().await, 200);
    let id = app.appointment_template_create(&admin, CoreApp::new_appointment_template("A")).await.id;
    let replace = admin.appointment_template_update().appointment_template_id(id);
    granted(replace.body(CoreApp::new_appointment_template("B")).send().await, 200);
    let body = UpdateOrganization { name: "B".to_owned(), timezone: "UTC".to_owned(), country: None };
    granted(admin.organization_update().organization_id(home).body(body).send().await, 200);
    signed_up(&app, "B", "b@example.org").await;
    let keyed = "select count(*) from (
                     select name, name_folded, name_sort, name_keys_version from specialties
                     union all select name, name_folded, name_sort, name_keys_version from specialists
                     union all select name, name_folded, name_sort, name_keys_version from appointment_templates
                     union all select name, name_folded, name_sort, name_keys_version from organizations
                     union all select name, name_folded, name_sort, name_keys_version from users) as named
                 where name = 'B' and name_folded = 'b' and name_sort is not null and name_keys_version > 0";
    assert_eq!(app.count(keyed).await, 5);
}

/// Otherwise the refresh in the background would write rows that nobody changed.
#[tokio::test]
async fn the_service_writes_nothing_that_needs_a_refresh() {
    let clerk = ClerkApi::start([]).await;
    let clinic = clinic(&clerk).await;
    let (app, admin) = (&clinic.core, clinic.core.admin());
    let (code, said) = bootstrap(app, &["--superadmin", "user_first", "--organization", "first", "--force"]);
    assert_eq!(code, Some(0), "{said}");
    let patient = app.patient_create(&admin, "Ann", "Lee").await.id;
    let job = granted(admin.gdpr_patient_erase().patient_id(patient).send().await, 202);
    finished(&admin, job.job_id).await;
    let specialist = app.specialist().person().user_id;
    let job = granted(admin.gdpr_user_erase().user_id(specialist).send().await, 202);
    finished(&admin, job.job_id).await;
    let known = signed_up(app, "C", "c@example.org").await;
    for clerk_id in [known.clerk_id.as_str(), "user_unknown"] {
        told(app, event("user.deleted", clerk_id, 2_000, "", "")).await;
    }
    let (code, said) = outcome(refresh(app, &["--dry-run"]));
    assert_eq!(code, Some(0), "{said}");
}

/// A name of ligatures that stand for whole phrases: its keys are as long as keys get.
#[tokio::test]
async fn the_longest_keys_can_be_stored() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let letters = ["\u{fdfa}", "\u{fdfb}", "\u{33ff}", "\u{fdf2}", "\u{327c}", "\u{3316}", "\u{2a74}"];
    let name: String = (0..200).map(|place| letters[place * place % 31 % letters.len()]).collect();
    let id = specialty_create(&admin, &name).await;
    assert_eq!(granted(admin.specialty_get().specialty_id(id).send().await, 200).name, name);
    granted(admin.specialist_create().body(CoreApp::new_specialist(&name)).send().await, 201);
}

/// The operations that take a name, and the schema of their body.
fn naming(document: &Value) -> BTreeMap<String, (Method, String, Vec<String>, Value)> {
    let mut found = BTreeMap::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let reference = schema["$ref"].as_str().unwrap_or_default().trim_start_matches('#');
            let Some(schema) = document.pointer(reference).filter(|_| !reference.is_empty()) else { continue };
            let fields = schema["properties"].as_object().into_iter().flatten();
            let names: Vec<String> =
                fields.filter(|(_, field)| field["format"] == "name").map(|(name, _)| name.clone()).collect();
            if !names.is_empty() {
                let id = operation["operationId"].as_str().unwrap().to_owned();
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                found.insert(id, (method, path.clone(), names, schema["example"].clone()));
            }
        }
    }
    found
}

#[tokio::test]
async fn a_name_that_nobody_sees_is_refused_by_every_operation_that_takes_one() {
    let app = CoreApp::start().await;
    let document: Value = serde_json::from_slice(&app.server.run("openapi")).unwrap();
    let operations = naming(&document);
    for id in [
        "api_key_create",
        "appointment_template_create",
        "appointment_template_update",
        "organization_create",
        "organization_update",
        "specialist_create",
        "specialist_update",
        "specialty_create",
        "specialty_update",
    ] {
        assert!(operations.contains_key(id), "{id} takes no name: {:?}", operations.keys());
    }
    for (id, (method, path, names, example)) in operations {
        assert!(example.is_object(), "{id} has no example of its body");
        let path = path.replace("{organization_id}", &app.home().id.to_string());
        let pieces = path.split('/').map(|piece| if piece.starts_with('{') { "1" } else { piece });
        let path = pieces.collect::<Vec<_>>().join("/");
        for name in names {
            for hidden in ["\u{200b}\u{2060}", "\u{3164}", "\u{2800}", "\u{ad}"] {
                let mut body = example.clone();
                body[&name] = hidden.into();
                let request = app.admin().request(method.clone(), &path).header(CONTENT_TYPE, "application/json");
                let refusal = Answer::to(request.body(body.to_string())).await.refusal(422, "validation_failed");
                assert_eq!(refusal.fields(), [(format!("/{name}").as_str(), "format")], "{id}, {hidden:?}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_typed_is_stored_in_one_form() {
    let app = CoreApp::start().await;
    let (admin, home) = (app.admin(), app.home().id);
    let body = SpecialtyInput {
        name: " Re\u{301}e\u{301}ducation \u{a0} physique ".to_owned(),
        description: Some(" Ge\u{301}nou\r\n\tet hanche ".to_owned()),
    };
    let created = granted(admin.specialty_create().body(body).send().await, 201);
    assert_eq!((created.name.as_str(), created.description.as_str()), ("Rééducation physique", "Génou\n\tet hanche"));
    assert_eq!(granted(admin.specialty_get().specialty_id(created.id).send().await, 200), created);
    let mut body = CoreApp::new_specialist("Andre\u{301}");
    body.title = Some(" Kine\u{301} ".to_owned());
    let specialist = granted(admin.specialist_create().body(body).send().await, 201);
    assert_eq!((specialist.name.as_str(), specialist.title.as_str()), ("André", "Kiné"));
    let body = CreateApiKey { name: "Cle\u{301}  1".to_owned(), scopes: vec![Scope::PatientsRead], expires_at: None };
    let key = granted(admin.api_key_create().organization_id(home).body(body).send().await, 201);
    assert_eq!(key.api_key.name, "Clé 1");
}

#[tokio::test]
async fn an_address_in_another_form_renews_the_invitation_to_it() {
    let app = CoreApp::start().await;
    let (admin, home) = (app.admin(), app.home().id);
    for (one, other) in [
        ("Jose\u{301}@Example.org", "josé@EXAMPLE.org"),
        ("ana@bücher.example", "ANA@xn--bcher-kva.example"),
        ("straße@example.org", "STRASSE@example.org"),
    ] {
        let invite = |email: &str| {
            let body = ConnectUser { email: Some(email.to_owned()), user_id: None, role: MemberRole::Staff };
            admin.member_connect().organization_id(home).body(body).send()
        };
        let first = granted(invite(one).await, 201);
        assert_eq!(granted(invite(other).await, 201).id, first.id, "{one} and {other}");
    }
    let member = app.member_add(Role::Staff).await;
    for none in ["ana@exa_mple.org", "ana@-a.org", "ana\u{200b}@example.org"] {
        let body = ConnectUser { email: Some(none.to_owned()), user_id: None, role: MemberRole::Staff };
        let answer = admin.member_connect().organization_id(home).body(body).send().await;
        assert_eq!(refused(answer, 422, "validation_failed").fields(), [("/email", "format")], "{none}");
        let body = LinkRecord { email: Some(none.to_owned()), user_id: Some(member.user_id) };
        let answer = admin.specialist_link().specialist_id(app.home().specialist_id).body(body).send().await;
        assert_eq!(refused(answer, 422, "validation_failed").fields(), [("/email", "format")], "{none}");
    }
}
