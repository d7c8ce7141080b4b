//! `server-core bootstrap`: creates the first superadmin and the first clinic once.

use std::process::Output;

use reqwest::Method;
use serde_json::json;
use test_support::{Actor, Answer, Clerk, ClerkEvent, CoreApp, Person, granted};

const SUPERADMIN: &str = "user_2superadmin";
const ADMIN: &str = "user_2admin";
const SLUG: &str = "first-clinic";

/// Starts an installation without a superadmin.
async fn installation() -> CoreApp {
    let app = CoreApp::start().await;
    sqlx::query("update users set superadmin = false").execute(&mut app.owner().await).await.unwrap();
    app
}

/// Runs the command with the one variable that it needs; returns the exit code and all output.
pub(crate) fn bootstrap(app: &CoreApp, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = app.server.tool(&[&["bootstrap"][..], arguments].concat());
    command.env_clear().env("DATABASE_URL", app.database.owner_url());
    let Output { status, stdout, stderr } = command.output().unwrap();
    let said = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    (status.code(), said)
}

fn first(app: &CoreApp) -> (Option<i32>, String) {
    let people = ["--superadmin", SUPERADMIN, "--organization", SLUG, "--admin", ADMIN];
    let clinic = ["--name", "First Clinic", "--timezone", "Europe/Bucharest"];
    bootstrap(app, &[&people[..], &clinic].concat())
}

async fn actor(app: &CoreApp, clerk_id: &str) -> Actor {
    let user_id = sqlx::query_scalar("select id from users where clerk_id = $1")
        .bind(clerk_id)
        .fetch_one(&mut app.owner().await)
        .await
        .unwrap();
    app.actor(&Person { user_id, clerk_id: clerk_id.to_owned() })
}

/// Reads the audit rows that `bootstrap` left, as (type, action, whether an organization is named).
async fn trail(app: &CoreApp) -> Vec<(String, String, bool)> {
    sqlx::query_as(
        "select l.entity_type, l.action, l.organization_id > 0
         from audit_log l join audit_outbox o on o.audit_id = l.id
         where l.operation_id = 'bootstrap' and l.actor_kind = 'system' order by o.seq",
    )
    .fetch_all(&mut app.owner().await)
    .await
    .unwrap()
}

#[tokio::test]
async fn the_first_people_can_do_everything_else() {
    let app = installation().await;
    let (code, said) = first(&app);
    assert_eq!(code, Some(0), "{said}");
    let row = |entity: &str, action: &str, named| (entity.to_owned(), action.to_owned(), named);
    let left = [
        row("organization", "created", true),
        row("user", "created", false),
        row("user", "superadmin_granted", false),
        row("user", "created", false),
        row("membership", "admin_granted", true),
    ];
    assert_eq!(trail(&app).await, left);

    let (superadmin, admin) = (actor(&app, SUPERADMIN).await, actor(&app, ADMIN).await);
    let me = granted(admin.me_get().send().await, 200);
    let home = granted(admin.organization_get().organization_id(me.organization_id.unwrap()).send().await, 200);
    assert_eq!(
        (home.slug.as_str(), home.name.as_str(), home.timezone.as_str()),
        (SLUG, "First Clinic", "Europe/Bucharest")
    );
    let body = json!({ "name": "Second Clinic", "timezone": "UTC" });
    let second = Answer::to(superadmin.request(Method::POST, "/v1/organizations").json(&body)).await;
    assert_eq!(second.status, 201, "who runs the platform adds clinics: {second:?}");

    // Run again, it does nothing, even if the clinic has been renamed.
    let (code, said) = bootstrap(&app, &["--superadmin", SUPERADMIN, "--organization", SLUG, "--admin", ADMIN]);
    assert_eq!((code, said.trim()), (Some(0), "nothing to do: everything exists already"));
    assert_eq!(trail(&app).await, left);
    assert_eq!(granted(admin.organization_get().organization_id(home.id).send().await, 200).name, "First Clinic");
}

#[tokio::test]
async fn the_identity_provider_fills_the_row_that_was_made() {
    let app = installation().await;
    assert_eq!(first(&app).0, Some(0));
    let person =
        json!({ "id": SUPERADMIN, "at": 1_000, "first_name": "Ana", "last_name": "Pop", "email": "ana@example.org" });
    let message = &Clerk::sign(&[ClerkEvent::new("user.created", person)])[0];
    assert_eq!(Answer::to(message.to(&app.url())).await.status, 204);
    let superadmin = actor(&app, SUPERADMIN).await;
    assert_eq!(granted(superadmin.me_get().send().await, 200).name, "Ana Pop");
    let everywhere = granted(superadmin.organization_list().send().await, 200);
    assert_eq!(everywhere.meta.total, 3, "still somebody who sees every clinic");
}

#[tokio::test]
async fn once_there_is_a_superadmin_it_refuses_unless_it_is_told_twice() {
    let app = installation().await;
    assert_eq!(first(&app).0, Some(0));
    let before = trail(&app).await;
    for arguments in [
        ["--superadmin", "user_2other", "--organization", SLUG],
        ["--superadmin", SUPERADMIN, "--organization", "another-clinic"],
    ] {
        let (code, said) = bootstrap(&app, &arguments);
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains("--force"), "it says what to do: {said}");
    }
    assert_eq!(trail(&app).await, before, "nothing is said to be done");
    let made = "select count(*) from users where clerk_id = 'user_2other'";
    assert_eq!(app.count(made).await, 0, "nothing was done");
    let (code, said) = bootstrap(&app, &["--superadmin", "user_2other", "--organization", SLUG, "--force"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(app.count(made).await, 1);
}

#[tokio::test]
async fn of_two_at_once_one_is_the_first() {
    let app = installation().await;
    let run = |clerk_id: &'static str| {
        let mut command = app.server.tool(&["bootstrap", "--superadmin", clerk_id, "--organization", SLUG]);
        command.env_clear().env("DATABASE_URL", app.database.owner_url()).spawn().unwrap()
    };
    let (one, other) = (run("user_2one"), run("user_2other"));
    let mut codes = [one, other].map(|child| child.wait_with_output().unwrap().status.code());
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(3)]);
    assert_eq!(app.count("select count(*) from users where superadmin").await, 1);
}

#[tokio::test]
async fn what_is_wrong_is_named_and_nothing_is_done() {
    let app = installation().await;
    for (arguments, named) in [
        (&["--superadmin", "ana@example.org", "--organization", SLUG][..], "--superadmin"),
        (&["--superadmin", SUPERADMIN, "--organization", "First Clinic"], "--organization"),
        (&["--superadmin", SUPERADMIN, "--organization", SLUG, "--timezone", "Mars/Olympus"], "--timezone"),
        (&["--superadmin", SUPERADMIN, "--organization", SLUG, "--name", " "], "--name"),
        (&["--superadmin", SUPERADMIN, "--organization", SLUG, "--admin", "user-7"], "--admin"),
        (&["--superadmin", SUPERADMIN], "--organization"),
    ] {
        let (code, said) = bootstrap(&app, arguments);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(named), "{named}: {said}");
    }
    let mut restricted = app.server.tool(&["bootstrap", "--superadmin", SUPERADMIN, "--organization", SLUG]);
    let Output { status, stderr, .. } = restricted.env("DATABASE_URL", app.database.app_url()).output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert!(status.code() == Some(1) && said.contains("DATABASE_URL is not the role that owns the tables"), "{said}");

    sqlx::query("insert into users (clerk_id, deleted_at) values ($1, now())")
        .bind(SUPERADMIN)
        .execute(&mut app.owner().await)
        .await
        .unwrap();
    let (code, said) = first(&app);
    assert!(code == Some(1) && said.contains("was deleted"), "{said}");
    assert_eq!(app.count("select count(*) from organizations where slug = 'first-clinic'").await, 0);
    assert!(trail(&app).await.is_empty());
}
