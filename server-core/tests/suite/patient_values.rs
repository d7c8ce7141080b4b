//! Values of patients: one form for each, whatever is typed, and the refresh of rows that were stored in former forms.

use std::process::{Command, Output};

use chrono::{NaiveDate, Utc};
use chrono_tz::Tz;
use reqwest::Method;
use restartix_sdk::core::types::{CreatePatient, PagePatient, UpdateOrganization};
use serde_json::{Value, json};
use server_shared::crypto::{BlindIndex, Key32};
use sqlx::PgConnection;
use test_support::{Actor, Answer, CoreApp, Template, granted, refused};

use crate::patient::unchanged;

/// Rows of the refresh that is killed: some seconds' work for a debug build.
const MANY: i64 = 20_000;

fn ids(page: &PagePatient) -> Vec<i64> {
    page.data.iter().map(|patient| patient.id).collect()
}

fn named(first_name: &str, last_name: &str) -> CreatePatient {
    CoreApp::new_patient(first_name, last_name)
}

fn with_phone(phone: &str) -> CreatePatient {
    CreatePatient { phone: Some(phone.to_owned()), ..named("Ann", "Lee") }
}

async fn search(actor: &Actor, text: &str) -> Vec<i64> {
    ids(&granted(actor.patient_list().search(text).send().await, 200))
}

async fn by_phone(actor: &Actor, phone: &str) -> Vec<i64> {
    ids(&granted(actor.patient_list().phone(phone).send().await, 200))
}

/// Replaces home's organization, with the name and the slug that it has.
async fn organization_replace(app: &CoreApp, timezone: &str, country: Value) -> Answer {
    let path = format!("/v1/organizations/{}", app.home().id);
    let mut body = json!({ "name": "Home", "timezone": timezone });
    if !country.is_null() {
        body["country"] = country;
    }
    Answer::to(app.admin().request(Method::PUT, &path).json(&body)).await
}

async fn country_set(app: &CoreApp, country: Value) {
    let answer = organization_replace(app, "Europe/Berlin", country.clone()).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.body);
    let stored: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(stored.get("country").cloned().unwrap_or_default(), country);
}

/// `refresh-values` with the variables that it needs and no other.
pub(crate) fn refresh(app: &CoreApp, arguments: &[&str]) -> Command {
    let mut command = app.server.tool(&[&["refresh-values"], arguments].concat());
    command.env_clear().env("DATABASE_URL", app.database.owner_url());
    for name in ["ENCRYPTION_KEY", "BLIND_INDEX_KEY"] {
        command.env(name, &app.server.environment()[name]);
    }
    command
}

/// Runs it to its end: exit code, and what it says.
pub(crate) fn outcome(mut command: Command) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap() + &String::from_utf8_lossy(&stderr))
}

fn index(app: &CoreApp, column: &str, normalized: &str) -> Vec<u8> {
    let key = Key32::from_hex(&app.server.environment()["BLIND_INDEX_KEY"]).unwrap();
    BlindIndex::new(key).of(app.home().id, column, normalized).to_vec()
}

async fn count(owner: &mut PgConnection, condition: &'static str) -> i64 {
    let sql = format!("select count(*) from patients where {condition}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(owner).await.unwrap()
}

#[tokio::test]
async fn names_have_one_form() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    for invisible in ["\u{200b}", "\u{3164}", "\u{2800}", "\u{202e}Ann"] {
        let refusal =
            refused(staff.patient_create().body(named(invisible, "Lee")).send().await, 422, "validation_failed");
        assert_eq!(refusal.fields().first().map(|(pointer, _)| *pointer), Some("/first_name"), "{invisible:?}");
    }
    // A letter that is three when it is composed.
    let long = named(&"\u{fb2c}".repeat(40), "Lee");
    let refusal = refused(staff.patient_create().body(long).send().await, 422, "validation_failed");
    assert_eq!(refusal.fields(), [("/first_name", "max_length")]);
    let made = granted(staff.patient_create().body(named("  Andre\u{301}  Jose\u{301} ", "Lee")).send().await, 201);
    assert_eq!(made.first_name, "Andr\u{e9} Jos\u{e9}");
    let read = granted(staff.patient_get().patient_id(made.id).send().await, 200);
    assert_eq!(read, made);
}

#[tokio::test]
async fn an_address_in_any_normal_form_is_one_patients() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let of = |email: &str| CreatePatient { email: Some(email.to_owned()), ..named("Ann", "Lee") };
    let first = granted(admin.patient_create().body(of("jos\u{e9}@b\u{fc}cher.example")).send().await, 201);
    assert_eq!(first.email.as_deref(), Some("jos\u{e9}@xn--bcher-kva.example"));
    for same in
        ["jose\u{301}@bu\u{308}cher.example", "JOS\u{c9}@xn--bcher-kva.example", "Jos\u{e9}@B\u{dc}CHER.example"]
    {
        let refusal = refused(admin.patient_create().body(of(same)).send().await, 409, "patient_email_taken");
        assert_eq!(refusal.details["patient_id"], first.id);
        assert_eq!(ids(&granted(admin.patient_list().email(same).send().await, 200)), [first.id], "{same}");
    }
    refused(admin.patient_list().email("no address").send().await, 400, "invalid_parameter");
}

#[tokio::test]
async fn a_search_finds_what_people_take_for_the_same() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    for (stored, typed) in [
        (("Andr\u{e9}", "Petit"), "Andre"),
        (("Uwe", "Gro\u{df}"), "GROSS"),
        (
            ("\u{3a3}\u{3af}\u{3c3}\u{3c5}\u{3c6}\u{3bf}\u{3c2}", "Papas"),
            "\u{3a3}\u{38a}\u{3a3}\u{3a5}\u{3a6}\u{39f}\u{3a3}",
        ),
        (("Sean", "O\u{2019}Connor"), "o'connor"),
        (("Zo\u{eb}", "Lindqvist"), "lindqvist zoe"),
        (("Anne\u{2011}Marie", "Roy"), "anne-marie"),
        (("Lukasz", "\u{141}ukasik"), "lukasik lukasz"),
    ] {
        let id = app.patient_create(&staff, stored.0, stored.1).await.id;
        assert_eq!(search(&staff, typed).await, [id], "{typed}");
        // As if a process of the version before had written the row.
        let keyless =
            "update patients set name_folded = null, name_sort = null, name_keys_version = null where id = $1";
        sqlx::query(keyless).bind(id).execute(&mut app.owner().await).await.unwrap();
        assert_eq!(search(&staff, typed).await, [id], "{typed}, without keys");
    }
    assert_eq!(search(&staff, "andre gross").await, [] as [i64; 0], "every word must be there");
    assert_eq!(search(&staff, "  ").await.len(), 7);
    assert_eq!(search(&staff, "\u{301}").await, [] as [i64; 0], "an accent alone is in no name");
}

#[tokio::test]
async fn lists_sort_as_people_do() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    for (first, last) in
        [("Al", "Zimmer"), ("Bo", "\u{d6}stlund"), ("Zoe", "\u{c1}lvarez"), ("Ana", "\u{c1}lvarez"), ("Ed", "adams")]
    {
        app.patient_create(&staff, first, last).await;
    }
    let listed = granted(staff.patient_list().send().await, 200);
    let names: Vec<_> =
        listed.data.iter().map(|patient| (patient.last_name.as_str(), patient.first_name.as_str())).collect();
    let expected =
        [("adams", "Ed"), ("\u{c1}lvarez", "Ana"), ("\u{c1}lvarez", "Zoe"), ("\u{d6}stlund", "Bo"), ("Zimmer", "Al")];
    assert_eq!(names, expected);
}

#[tokio::test]
async fn national_numbers_are_those_of_the_country() {
    let app = CoreApp::start().await;
    let staff = app.staff();
    let without = granted(staff.patient_create().body(with_phone("(030) 123456")).send().await, 201);
    assert_eq!(without.phone.as_deref(), Some("(030) 123456"));
    assert_eq!(by_phone(&staff, "030-123456").await, [without.id]);
    assert_eq!(by_phone(&staff, "+49 30 123456").await, [] as [i64; 0], "nothing says which country it is");

    let refusal = organization_replace(&app, "Europe/Berlin", json!("XX")).await.refusal(422, "validation_failed");
    assert_eq!(refusal.fields(), [("/country", "country")]);
    let refusal = organization_replace(&app, "Europe/Berlin", json!("de")).await.refusal(422, "validation_failed");
    assert_eq!(refusal.fields(), [("/country", "pattern")]);
    country_set(&app, json!("DE")).await;
    let within = granted(staff.patient_create().body(with_phone("030/123456")).send().await, 201);
    assert_eq!(within.phone.as_deref(), Some("030/123456"), "as typed");
    let found = by_phone(&staff, "+49 (0)30 123456").await;
    assert!(found.contains(&within.id), "{found:?}");
    let mut both = by_phone(&staff, "(030) 123456").await;
    both.sort_unstable();
    assert_eq!(both, [without.id, within.id], "one was indexed before the country was known");

    for wrong in ["+999 123456", "00999 123456"] {
        let refusal = refused(staff.patient_create().body(with_phone(wrong)).send().await, 422, "validation_failed");
        assert_eq!(refusal.fields().first().map(|(pointer, _)| *pointer), Some("/phone"), "{wrong}");
    }

    // Numbers of a former country are read anew, by the refresh.
    let (code, said) = outcome(refresh(&app, &[]));
    assert_eq!(code, Some(3), "a country of less than a minute is looked at again: {said}");
    let mut both = by_phone(&staff, "+49 30 123456").await;
    both.sort_unstable();
    assert_eq!(both, [without.id, within.id]);
    let before = "update organizations set updated_at = now() - interval '2 minutes'";
    sqlx::query(before).execute(&mut app.owner().await).await.unwrap();
    let (code, said) = outcome(refresh(&app, &[]));
    assert_eq!(code, Some(0), "{said}");

    // A country that is changed and changed back: some indexes were made without it.
    country_set(&app, Value::Null).await;
    assert_eq!(outcome(refresh(&app, &[])).0, Some(3));
    assert_eq!(by_phone(&staff, "+49 30 123456").await, [] as [i64; 0]);
    country_set(&app, json!("DE")).await;
    let (code, said) = outcome(refresh(&app, &[]));
    assert_eq!(code, Some(3), "{said}");
    let mut both = by_phone(&staff, "+49 30 123456").await;
    both.sort_unstable();
    assert_eq!(both, [without.id, within.id]);
}

#[tokio::test]
async fn today_is_the_organizations() {
    let app = CoreApp::start().await;
    let admin = app.admin();
    let born = |date: Option<NaiveDate>| CreatePatient { date_of_birth: date, ..named("New", "Born") };
    for zone in ["Asia/Tokyo", "Pacific/Auckland", "Europe/Bucharest", "Pacific/Kiritimati", "Pacific/Pago_Pago"] {
        let body = UpdateOrganization { timezone: zone.to_owned(), ..home(&app).await };
        granted(admin.organization_update().organization_id(app.home().id).body(body).send().await, 200);
        let today = Utc::now().with_timezone(&zone.parse::<Tz>().unwrap()).naive_local().date();
        granted(admin.patient_create().body(born(Some(today))).send().await, 201);
        let refusal =
            refused(admin.patient_create().body(born(today.succ_opt())).send().await, 422, "validation_failed");
        assert_eq!(refusal.fields(), [("/date_of_birth", "range")], "{zone}");
    }
}

/// The organization as a change has it.
async fn home(app: &CoreApp) -> UpdateOrganization {
    let organization = granted(app.admin().organization_get().organization_id(app.home().id).send().await, 200);
    serde_json::from_value(json!({ "name": organization.name, "timezone": organization.timezone })).unwrap()
}

#[tokio::test]
async fn rows_of_former_forms_are_refreshed_however_often_it_is_killed() {
    let mut app = CoreApp::start().await;
    let admin = app.admin();
    let of = |email: &str, last_name: &str| CreatePatient {
        email: Some(email.to_owned()),
        ..CreatePatient { phone: Some("0049 30 123456".to_owned()), ..named("Jos\u{e9}", last_name) }
    };
    let one = granted(admin.patient_create().body(of("jos\u{e9}@example.org", "One")).send().await, 201).id;
    let two = granted(admin.patient_create().body(of("two@example.org", "Two")).send().await, 201).id;
    let hidden = app.patient_create(&admin, "Hidden", "Name").await.id;
    app.server.stop().await;

    let mut owner = app.owner().await;
    // As the version before stored them: decomposed, no keys, the index of the address as it was typed.
    let former = "update patients set first_name = $2, email_index = $3, name_folded = null, name_sort = null,
                                      name_keys_version = null, indexes_version = null
                  where id = $1";
    let old = index(&app, "email", "jose\u{301}@example.org");
    sqlx::query(former).bind(one).bind("Jose\u{301} ").bind(&old).execute(&mut owner).await.unwrap();
    // As a process of the version before inserts a row.
    let twin = "insert into patients (organization_id, uid, data_key_id, first_name, last_name, email_encrypted, email_index)
                select organization_id, gen_random_uuid(), data_key_id, 'Twin', 'Two', null, null from patients where id = $1
                returning id";
    let twin: i64 = sqlx::query_scalar(twin).bind(two).fetch_one(&mut owner).await.unwrap();
    sqlx::query("update patients set first_name = E'\\u200b' where id = $1")
        .bind(hidden)
        .execute(&mut owner)
        .await
        .unwrap();
    let many = "with key as (insert into data_keys (id, organization_id, wrapped)
                             values (gen_random_uuid(), $1, '\\x00') returning id)
                insert into patients (organization_id, uid, data_key_id, first_name, last_name)
                select $1, gen_random_uuid(), key.id, 'Pat', 'Number ' || n from key, generate_series(1, $2) n";
    sqlx::query(many).bind(app.home().id).bind(MANY).execute(&mut owner).await.unwrap();

    let (code, said) = outcome(refresh(&app, &["--dry-run"]));
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains(&format!("names of {} rows", MANY + 3)), "{said}");

    let mut killed = refresh(&app, &[]).spawn().unwrap();
    let done = loop {
        let done = count(&mut owner, "name_keys_version = 1").await;
        if done > MANY / 4 {
            break done;
        }
        assert!(killed.try_wait().unwrap().is_none(), "it ended with {done} done");
    };
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(done < MANY, "it was killed in the middle");
    assert!(count(&mut owner, "name_keys_version is null").await > 0, "it was killed after the last batch");

    // Two at once.
    let (first, second) = (refresh(&app, &[]), refresh(&app, &[]));
    let [first, second] = [first, second].map(|command| tokio::task::spawn_blocking(move || outcome(command)));
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert_eq!((first.0, second.0), (Some(0), Some(0)), "{} {}", first.1, second.1);
    assert_eq!(
        count(&mut owner, "name_keys_version is distinct from 1 or indexes_version is distinct from 2").await,
        0
    );

    let (name, email): (String, Vec<u8>) = sqlx::query_as("select first_name, email_index from patients where id = $1")
        .bind(one)
        .fetch_one(&mut owner)
        .await
        .unwrap();
    assert_eq!((name.as_str(), email), ("Jos\u{e9}", index(&app, "email", "jos\u{e9}@example.org")));
    let name: String = sqlx::query_scalar("select first_name from patients where id = $1")
        .bind(hidden)
        .fetch_one(&mut owner)
        .await
        .unwrap();
    assert_eq!(name, "\u{200b}", "what has no form is left");

    // What a process of the version before writes is found again.
    sqlx::query("update patients set last_name = 'Later' where id = $1").bind(twin).execute(&mut owner).await.unwrap();
    sqlx::query("update patients set email_index = $2 where id = $1")
        .bind(one)
        .bind(&old)
        .execute(&mut owner)
        .await
        .unwrap();
    let (code, said) = outcome(refresh(&app, &[]));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("2 rows refreshed"), "{said}");
    // The id of a name without a form is told when its keys are made, its text never.
    sqlx::query("update patients set name_keys_version = null where id = $1")
        .bind(hidden)
        .execute(&mut owner)
        .await
        .unwrap();
    let (code, said) = outcome(refresh(&app, &[]));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&format!("patients {hidden}: the name has no acceptable form")), "{said}");

    app.server.start().await;
    assert_eq!(search(&admin, "later twin").await, [twin]);
    let seen = granted(admin.patient_get().patient_id(one).send().await, 200);
    granted(admin.patient_update().patient_id(one).body(unchanged(&seen)).send().await, 200);
}

#[tokio::test]
async fn addresses_that_become_equal_are_reported_and_kept() {
    let mut app = CoreApp::start().await;
    let admin = app.admin();
    let of = |email: &str| CreatePatient { email: Some(email.to_owned()), ..named("Ann", "Lee") };
    let first = granted(admin.patient_create().body(of("ann@example.org")).send().await, 201).id;
    app.server.stop().await;
    let mut owner = app.owner().await;
    let old = index(&app, "email", "former");
    let former = "update patients set email_index = $2, indexes_version = null where id = $1";
    sqlx::query(former).bind(first).bind(&old).execute(&mut owner).await.unwrap();
    app.server.start().await;
    // Either the server's own refresh or this one makes the index; then there is a second patient of the address.
    assert_eq!(outcome(refresh(&app, &[])).0, Some(0));
    app.server.stop().await;
    sqlx::query(former).bind(first).bind(&old).execute(&mut owner).await.unwrap();
    let second = "insert into patients (organization_id, uid, data_key_id, first_name, last_name, email_index, name_keys_version,
                                        indexes_version)
                  select organization_id, gen_random_uuid(), data_key_id, 'Ann', 'Lee', $2, 1, 1 from patients where id = $1";
    sqlx::query(second).bind(first).bind(index(&app, "email", "ann@example.org")).execute(&mut owner).await.unwrap();
    let (code, said) = outcome(refresh(&app, &[]));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&format!("patients {first}: the e-mail address equals another")), "{said}");
    assert!(!said.contains("ann@"), "{said}");
    let kept: Vec<u8> = sqlx::query_scalar("select email_index from patients where id = $1")
        .bind(first)
        .fetch_one(&mut owner)
        .await
        .unwrap();
    assert_eq!(kept, old);
}

#[tokio::test]
async fn a_role_that_sees_nothing_does_not_say_that_nothing_is_left() {
    let app = CoreApp::start().await;
    let mut command = refresh(&app, &["--dry-run"]);
    command.env("DATABASE_URL", app.database.app_url());
    let (code, said) = outcome(command);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("not the role that owns"), "{said}");
}

#[tokio::test]
async fn names_of_every_table_are_refreshed_and_equal_ones_reported() {
    const TABLES: [&str; 5] = ["specialists", "specialties", "appointment_templates", "organizations", "users"];
    let mut app = CoreApp::start().await;
    let admin = app.admin();
    granted(admin.specialist_create().body(CoreApp::new_specialist("Zoe")).send().await, 201);
    app.template_add(Template::of_minutes(45)).await;
    app.server.stop().await;
    let mut owner = app.owner().await;
    let two = "insert into specialties (organization_id, name) values ($1, 'Groß'), ($1, '  GROSS ') returning id";
    let specialties: Vec<i64> = sqlx::query_scalar(two).bind(app.home().id).fetch_all(&mut owner).await.unwrap();
    for table in TABLES {
        let former = format!("update {table} set name_folded = null, name_sort = null, name_keys_version = null");
        sqlx::query(sqlx::AssertSqlSafe(former)).execute(&mut owner).await.unwrap();
    }
    let (code, said) = outcome(refresh(&app, &[]));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&format!("specialties {}: the name equals another one", specialties[1])), "{said}");
    for table in TABLES {
        let left = format!("select count(*) from {table} where name_sort is null or name_keys_version is null");
        let left: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(left)).fetch_one(&mut owner).await.unwrap();
        assert_eq!(left, 0, "{table}");
    }
    let kept: Vec<(String, Option<String>)> =
        sqlx::query_as("select name, name_folded from specialties where id = any($1) order by id")
            .bind(&specialties)
            .fetch_all(&mut owner)
            .await
            .unwrap();
    assert_eq!(kept, [("Groß".to_owned(), Some("gross".to_owned())), ("  GROSS ".to_owned(), None)]);
    let (code, said) = outcome(refresh(&app, &[]));
    assert_eq!((code, said.contains("equals")), (Some(0), false), "{said}");
}
