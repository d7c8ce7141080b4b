//! The function `tenant_table`, with which a migration makes a table a tenant's: the result passes the walk of the
//! catalogue, and a table made without it is reported by that walk.

use sqlx::{AssertSqlSafe, PgConnection};
use test_support::{CoreApp, Kind, TelemetryApp};

use crate::rls_catalogue::walk;

/// Runs statements; returns the number of rows of the last one, or PostgreSQL's error code.
async fn run(database: &mut PgConnection, sql: &str) -> Result<u64, String> {
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(database).await;
    done.map(|done| done.rows_affected()).map_err(|error| {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        code.unwrap_or_else(|| panic!("{sql}: {error}")).into_owned()
    })
}

/// Enters a context that lasts until the next one; `null` is no organization.
async fn enter(database: &mut PgConnection, organization: &str, role: &str) {
    let sql = format!(
        "select set_config('app.current_org_id', coalesce({organization}::text, ''), false),
                set_config('app.current_role', '{role}', false)"
    );
    run(database, &sql).await.unwrap();
}

async fn notes(database: &mut PgConnection) -> Vec<String> {
    sqlx::query_scalar("select note from scratch order by note").fetch_all(database).await.unwrap()
}

/// Insufficient privilege, by grant or by policy.
const DENIED: &str = "42501";

#[tokio::test]
async fn what_a_migration_makes_a_tenants_is_guarded() {
    let app = CoreApp::start().await;
    let (mut superuser, mut owner, mut role) =
        (app.database.superuser().await, app.owner().await, app.database.app().await);
    let (home, away) = (app.home().id.to_string(), app.away().id.to_string());
    let table = "create table scratch (
                     id bigint generated always as identity primary key,
                     organization_id bigint not null references organizations, note text not null)";
    run(&mut owner, table).await.unwrap();
    let named: Vec<String> = walk(&mut superuser, Kind::Core).await.unguarded.into_keys().collect();
    assert_eq!(named, ["public.scratch"], "what is no tenant's yet is named");

    let make = "select tenant_table('scratch', 'select, insert (organization_id, note), update (note), delete')";
    assert_eq!(run(&mut role, make).await, Err(DENIED.to_owned()), "it is for migrations");
    run(&mut owner, make).await.unwrap();
    let walked = walk(&mut superuser, Kind::Core).await;
    assert!(walked.unguarded.is_empty(), "{:#?}", walked.unguarded);
    assert!(walked.guarded.contains("public.scratch"));

    // The planner is told how many organizations to expect in a table (decision 50).
    let untold = "select c.relname::text from pg_class c
                  join pg_attribute a on a.attrelid = c.oid and a.attname = 'organization_id' and not a.attisdropped
                  where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
                    and a.attoptions is distinct from '{n_distinct=10}'";
    let untold: Vec<String> = sqlx::query_scalar(untold).fetch_all(&mut superuser).await.unwrap();
    assert_eq!(untold, [""; 0]);

    let rows = format!("insert into scratch (organization_id, note) values ({home}, 'home'), ({away}, 'away')");
    assert_eq!(run(&mut owner, &rows).await, Ok(2));
    assert_eq!(notes(&mut owner).await, ["away", "home"], "the owner without a context reaches all of it");
    enter(&mut owner, &home, "admin").await;
    assert_eq!(notes(&mut owner).await, ["home"], "within a context its organization's");
    assert_eq!(run(&mut owner, &rows).await, Err(DENIED.to_owned()), "nor does it write another's");

    assert_eq!(notes(&mut role).await, [""; 0], "no context, no row");
    enter(&mut role, &home, "staff").await;
    assert_eq!(notes(&mut role).await, ["home"]);
    let add =
        |organization: &str| format!("insert into scratch (organization_id, note) values ({organization}, 'new')");
    assert_eq!(
        run(&mut role, &add(&home)).await,
        Err(DENIED.to_owned()),
        "administrators write, unless it says others"
    );
    enter(&mut role, &home, "admin").await;
    assert_eq!(run(&mut role, &add(&home)).await, Ok(1));
    assert_eq!(run(&mut role, &add(&away)).await, Err(DENIED.to_owned()), "not another's");
    assert_eq!(run(&mut role, "update scratch set note = 'changed'").await, Ok(2), "its own two alone");
    let moved = format!("update scratch set organization_id = {away}");
    assert_eq!(run(&mut role, &moved).await, Err(DENIED.to_owned()), "what is not granted is not done");
}

#[tokio::test]
async fn conditions_decide_within_the_organization() {
    let app = CoreApp::start().await;
    let (mut owner, mut role) = (app.owner().await, app.database.app().await);
    let home = app.home().id.to_string();
    let table = format!(
        "create table scratch (organization_id bigint not null, note text not null);
         select tenant_table('scratch', 'select, insert', reads => $$note <> 'secret' or (select context_role()) = 'admin'$$,
                             writes => $$(select context_role()) = 'staff' and note <> 'secret'$$);
         insert into scratch values ({home}, 'open'), ({home}, 'secret')"
    );
    run(&mut owner, &table).await.unwrap();
    enter(&mut role, &home, "admin").await;
    assert_eq!(notes(&mut role).await, ["open", "secret"]);
    enter(&mut role, &home, "staff").await;
    assert_eq!(notes(&mut role).await, ["open"]);
    let add = |note: &str| format!("insert into scratch values ({home}, '{note}')");
    assert_eq!(run(&mut role, &add("secret")).await, Err(DENIED.to_owned()));
    assert_eq!(run(&mut role, &add("more")).await, Ok(1));
    let appended = "alter table scratch rename to restricted;
                    create table scratch (organization_id bigint not null, note text not null);
                    select tenant_table('scratch', 'select, insert', reads => $$(select context_role()) = 'admin'$$,
                                        writes => 'true')";
    run(&mut owner, appended).await.unwrap();
    assert_eq!(run(&mut role, &add("appended")).await, Ok(1));
    assert_eq!(notes(&mut role).await, [""; 0], "who may write does not read for that");
    enter(&mut role, &home, "admin").await;
    assert_eq!(notes(&mut role).await, ["appended"]);
    let without = "create table nobodys (note text not null); select tenant_table('nobodys', 'select')";
    assert_eq!(run(&mut owner, without).await, Err("P0001".to_owned()), "it needs a tenant to compare");
}

#[tokio::test]
async fn what_a_migration_of_telemetrys_makes_a_tenants_is_guarded() {
    let app = TelemetryApp::start().await;
    let mut superuser = app.database.superuser().await;
    let (mut owner, mut role) = (app.database.owner().await, app.database.app().await);
    let table = "create table privacy.scratch (organization_id bigint not null, note text not null)";
    run(&mut owner, table).await.unwrap();
    let named: Vec<String> = walk(&mut superuser, Kind::Telemetry).await.unguarded.into_keys().collect();
    assert_eq!(named, ["privacy.scratch"], "what is no tenant's yet is named");

    let make = "select ops.tenant_table('privacy.scratch', 'select, insert')";
    assert_eq!(run(&mut role, make).await, Err(DENIED.to_owned()), "it is for migrations");
    run(&mut owner, make).await.unwrap();
    let walked = walk(&mut superuser, Kind::Telemetry).await;
    assert!(walked.unguarded.is_empty(), "{:#?}", walked.unguarded);
    assert!(walked.guarded.contains("privacy.scratch"));

    run(&mut owner, "insert into privacy.scratch values (1, 'home'), (2, 'away')").await.unwrap();
    for database in [&mut owner, &mut role] {
        run(database, "set search_path = privacy").await.unwrap();
    }
    assert_eq!(notes(&mut owner).await, ["away", "home"], "the owner without a context reaches all of it");
    assert_eq!(notes(&mut role).await, [""; 0], "no context, no row");
    enter(&mut role, "1", "staff").await;
    assert_eq!(notes(&mut role).await, [""; 0], "administrators read, unless it says others");
    enter(&mut role, "1", "admin").await;
    assert_eq!(notes(&mut role).await, ["home"]);
    assert_eq!(
        run(&mut role, "insert into scratch values (1, 'new')").await,
        Err(DENIED.to_owned()),
        "nobody writes, unless it says who"
    );
}
