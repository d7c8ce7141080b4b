//! The function `published_versions`, with which a migration makes a table of drafts and published versions: a
//! published version can't be changed by any role.

use sqlx::{AssertSqlSafe, PgConnection};
use test_support::CoreApp;

/// Runs statements; returns the number of rows of the last one, or PostgreSQL's error code.
async fn run(database: &mut PgConnection, sql: &str) -> Result<u64, String> {
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(database).await;
    done.map(|done| done.rows_affected()).map_err(|error| {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        code.unwrap_or_else(|| panic!("{sql}: {error}")).into_owned()
    })
}

fn refused(code: &str) -> Result<u64, String> {
    Err(code.to_owned())
}

const DENIED: &str = "42501";
const FROZEN: &str = "23001";
const TWICE: &str = "23505";
const UNFIT: &str = "23514";

/// Returns the statement that publishes the draft of a template.
fn publish(template: i64, version: i64) -> String {
    format!(
        "update scratch set version = {version}, content_hash = sha256(content::bytea), published_at = now()
         where template_id = {template} and published_at is null"
    )
}

fn draft(app: &CoreApp, template: i64, content: &str) -> String {
    let home = app.home().id;
    format!("insert into scratch (organization_id, template_id, content) values ({home}, {template}, '{content}')")
}

#[tokio::test]
async fn what_is_published_stays_as_it_is() {
    let app = CoreApp::start().await;
    let (mut owner, mut role, mut superuser) =
        (app.owner().await, app.database.app().await, app.database.superuser().await);
    let table = "create table scratch (
                     id bigint generated always as identity primary key,
                     organization_id bigint not null references organizations, template_id bigint not null,
                     content text not null, version int, content_hash bytea, published_at timestamptz);
                 grant select, insert, update, delete on scratch to restartix_app";
    run(&mut owner, table).await.unwrap();
    let make = "select published_versions('scratch', 'template_id')";
    assert_eq!(run(&mut role, make).await, refused(DENIED), "it is for migrations");
    run(&mut owner, make).await.unwrap();

    // A draft can be inserted and changed, one for each template.
    assert_eq!(run(&mut role, &draft(&app, 1, "first")).await, Ok(1));
    assert_eq!(run(&mut role, &draft(&app, 1, "second")).await, refused(TWICE));
    assert_eq!(run(&mut role, &draft(&app, 2, "of another")).await, Ok(1));
    assert_eq!(run(&mut role, "update scratch set content = 'changed' where template_id = 1").await, Ok(1));

    // Publishing has to set all three columns, in the required form.
    for (set, why) in [
        ("version = 1", "a version without a hash"),
        ("version = 1, content_hash = sha256('x')", "one that was published at no time"),
        ("content_hash = sha256('x'), published_at = now()", "one without a number"),
        ("version = 0, content_hash = sha256('x'), published_at = now()", "numbers begin with 1"),
        ("version = 1, content_hash = 'x', published_at = now()", "that is no SHA-256"),
    ] {
        let sql = format!("update scratch set {set} where template_id = 1");
        assert_eq!(run(&mut role, &sql).await, refused(UNFIT), "{why}");
    }
    assert_eq!(run(&mut role, &publish(1, 1)).await, Ok(1));

    // The published version can't be changed by the application, the owner or a superuser.
    for database in [&mut role, &mut owner, &mut superuser] {
        for sql in [
            "update scratch set content = 'forged' where template_id = 1",
            "update scratch set published_at = null, version = null, content_hash = null where template_id = 1",
            "update scratch set template_id = 3 where template_id = 1",
            "delete from scratch where template_id = 1",
            "delete from scratch",
        ] {
            assert_eq!(run(database, sql).await, refused(FROZEN), "{sql}");
        }
    }
    for database in [&mut owner, &mut superuser] {
        assert_eq!(run(database, "truncate scratch").await, refused(FROZEN));
    }

    // The next draft can exist beside it and becomes the next version; no version exists twice.
    assert_eq!(run(&mut role, &draft(&app, 1, "next")).await, Ok(1));
    assert_eq!(run(&mut role, &publish(1, 1)).await, refused(TWICE));
    assert_eq!(run(&mut role, &publish(1, 2)).await, Ok(1));
    assert_eq!(run(&mut role, &draft(&app, 1, "given up")).await, Ok(1));
    assert_eq!(run(&mut role, "delete from scratch where template_id = 1 and published_at is null").await, Ok(1));
    assert_eq!(run(&mut role, &publish(2, 1)).await, Ok(1), "another template has numbers of its own");
    let kept: Vec<(i64, i32, String)> =
        sqlx::query_as("select template_id, version, content from scratch order by template_id, version")
            .fetch_all(&mut owner)
            .await
            .unwrap();
    let kept: Vec<_> =
        kept.iter().map(|(template, version, content)| (*template, *version, content.as_str())).collect();
    assert_eq!(kept, [(1, 1, "changed"), (1, 2, "next"), (2, 1, "of another")]);
}
