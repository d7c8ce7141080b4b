//! Checks of the catalogues of both databases: each table is guarded as a tenant's, or on the committed list
//! `rls_exempt.txt` with a reason.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{FromRow, PgConnection};
use test_support::{CoreApp, Kind, TelemetryApp};

const EXEMPT: &str = include_str!("rls_exempt.txt");

/// Reads the exemptions of one kind in one database.
fn exempt(kind: Kind, what: &str) -> BTreeSet<String> {
    let database = match kind {
        Kind::Core => "core",
        Kind::Telemetry => "telemetry",
    };
    let mut names = BTreeSet::new();
    for line in EXEMPT.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (head, reason) = line.split_once(": ").unwrap_or_else(|| panic!("no reason in rls_exempt.txt: {line}"));
        assert!(reason.len() > 20, "no real reason in rls_exempt.txt: {line}");
        let words: Vec<&str> = head.split(' ').collect();
        let [line_database, line_what, name] = words[..] else { panic!("rls_exempt.txt: {line}") };
        if (line_database, line_what) == (database, what) {
            names.insert(name.to_owned());
        }
    }
    names
}

#[derive(Debug, FromRow)]
#[allow(clippy::struct_excessive_bools, reason = "a row of the catalogue")]
pub(crate) struct Table {
    name: String,
    tenant_column: bool,
    enabled: bool,
    forced: bool,
    partition: bool,
    owner_policies: i64,
    app_policies: i64,
    other_policies: i64,
    app_privileges: bool,
}

async fn tables(database: &mut PgConnection, kind: Kind) -> Vec<Table> {
    sqlx::query_as(
        "select n.nspname || '.' || c.relname as name,
                exists (select from pg_attribute a
                        where a.attrelid = c.oid and a.attname = 'organization_id' and a.attnotnull) as tenant_column,
                c.relrowsecurity as enabled, c.relforcerowsecurity as forced, c.relispartition as partition,
                count(*) filter (where p.polroles = array[owner.oid]) as owner_policies,
                count(*) filter (where p.polroles = array[app.oid]) as app_policies,
                count(*) filter (where p.oid is not null and p.polroles not in (array[owner.oid], array[app.oid]))
                    as other_policies,
                has_table_privilege(app.oid, c.oid, 'select, insert, update, delete, truncate, references, trigger')
                    or has_any_column_privilege(app.oid, c.oid, 'select, insert, update, references') as app_privileges
         from pg_class c
         join pg_namespace n on n.oid = c.relnamespace
         join pg_roles owner on owner.rolname = $1
         join pg_roles app on app.rolname = $2
         left join pg_policy p on p.polrelid = c.oid
         where c.relkind in ('r', 'p', 'f', 'm', 'v') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
           -- a view of its reader shows what the policies of its tables do
           and not (c.relkind = 'v' and coalesce('security_invoker=true' = any(c.reloptions), false))
         group by n.nspname, c.oid, c.relname, owner.oid, app.oid
         order by 1",
    )
    .bind(kind.owner())
    .bind(kind.app())
    .fetch_all(database)
    .await
    .unwrap()
}

/// Result of the walk over the tables of a database.
#[derive(Debug, Default)]
pub(crate) struct Walked {
    /// Tables that are guarded as a tenant's.
    pub(crate) guarded: BTreeSet<String>,
    /// Tables that need their exemption.
    exempt: BTreeSet<String>,
    /// Tables that are neither, by name.
    pub(crate) unguarded: BTreeMap<String, Table>,
}

/// Classifies each table of the database.
pub(crate) async fn walk(database: &mut PgConnection, kind: Kind) -> Walked {
    let exempt = exempt(kind, "table");
    let mut walked = Walked::default();
    for table in tables(database, kind).await {
        let sound = table.enabled && table.forced && table.other_policies == 0;
        let ok = if table.partition {
            // A partition: it is reached only through its parent, whose policies apply.
            sound && table.owner_policies + table.app_policies == 0 && !table.app_privileges
        } else {
            sound && table.tenant_column && table.owner_policies >= 1 && table.app_policies >= 1
        };
        if ok {
            if !table.partition {
                walked.guarded.insert(table.name);
            }
        } else if exempt.contains(&table.name) {
            walked.exempt.insert(table.name);
        } else {
            walked.unguarded.insert(table.name.clone(), table);
        }
    }
    walked
}

/// Asserts that every table is guarded or exempt; `rls_attack.rs` attacks the guarded ones.
async fn tables_check(database: &mut PgConnection, kind: Kind) {
    let walked = walk(database, kind).await;
    let faults = walked.unguarded;
    assert!(
        faults.is_empty(),
        "neither guarded as a tenant's (have the migration call tenant_table) nor exempt (rls_exempt.txt): {faults:#?}"
    );
    assert_eq!(walked.exempt, exempt(kind, "table"), "rls_exempt.txt lists tables that need no exemption");
}

/// Asserts that each constraint of a tenant table includes the tenant, because constraints bypass row-level security.
async fn constraints_check(database: &mut PgConnection, kind: Kind) {
    let unbound: Vec<(String, String)> = sqlx::query_as(
        "with tenant as (
             select c.oid, a.attnum from pg_class c join pg_namespace n on n.oid = c.relnamespace
             join pg_attribute a on a.attrelid = c.oid and a.attname = 'organization_id'
             where c.relkind in ('r', 'p') and not c.relispartition and n.nspname !~ '^pg_')
         select k.conname::text as name, pg_get_constraintdef(k.oid) as definition
         from pg_constraint k join tenant t on t.oid = k.conrelid
         where k.contype in ('f', 'u', 'x') and not t.attnum = any(k.conkey)
         union all
         select i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
         from pg_index i join tenant t on t.oid = i.indrelid
         where i.indisunique and not i.indisprimary and not t.attnum = any(i.indkey)
           and not exists (select from pg_constraint k where k.conindid = i.indexrelid)
         order by 1",
    )
    .fetch_all(database)
    .await
    .unwrap();
    let exempt = exempt(kind, "constraint");
    let faults: Vec<_> = unbound.iter().filter(|(name, _)| !exempt.contains(name)).collect();
    assert!(faults.is_empty(), "constraints without organization_id that are not exempt: {faults:#?}");
    let used: BTreeSet<String> = unbound.into_iter().map(|(name, _)| name).collect();
    assert_eq!(used, exempt, "rls_exempt.txt lists constraints that need no exemption");
}

/// Asserts that each `security definer` function sets its own search path; without one it runs functions that its
/// caller puts in front.
async fn functions_check(database: &mut PgConnection) {
    let unpinned: Vec<String> = sqlx::query_scalar(
        "select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace
         where p.prosecdef and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
           and not coalesce(array_to_string(p.proconfig, ' ') like '%search_path=%', false)",
    )
    .fetch_all(&mut *database)
    .await
    .unwrap();
    assert_eq!(unpinned, [] as [&str; 0], "security definer without a pinned search_path");
    let views: Vec<String> = sqlx::query_scalar(
        "select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.relkind = 'v' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
           and not coalesce('security_invoker=true' = any(c.reloptions), false)",
    )
    .fetch_all(database)
    .await
    .unwrap();
    assert_eq!(views, [] as [&str; 0], "views that are not security_invoker");
}

/// Asserts that neither role can bypass the policies.
async fn roles_check(database: &mut PgConnection, kind: Kind) {
    let strong: Vec<String> = sqlx::query_scalar(
        "select rolname::text from pg_roles
         where rolname in ($1, $2) and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication)",
    )
    .bind(kind.owner())
    .bind(kind.app())
    .fetch_all(&mut *database)
    .await
    .unwrap();
    assert_eq!(strong, [] as [&str; 0], "roles that are more than login roles");
    let owned: i64 = sqlx::query_scalar(
        "select count(*) from pg_class c join pg_roles r on r.oid = c.relowner where r.rolname = $1",
    )
    .bind(kind.app())
    .fetch_one(database)
    .await
    .unwrap();
    assert_eq!(owned, 0, "the application role owns something");
}

#[tokio::test]
async fn cores_tables_are_guarded_or_exempt() {
    let app = CoreApp::start().await;
    let mut database = app.database.superuser().await;
    tables_check(&mut database, Kind::Core).await;
    constraints_check(&mut database, Kind::Core).await;
    functions_check(&mut database).await;
    roles_check(&mut database, Kind::Core).await;
}

#[tokio::test]
async fn telemetrys_tables_are_guarded_or_exempt() {
    let app = TelemetryApp::start().await;
    let mut database = app.database.superuser().await;
    tables_check(&mut database, Kind::Telemetry).await;
    constraints_check(&mut database, Kind::Telemetry).await;
    functions_check(&mut database).await;
    roles_check(&mut database, Kind::Telemetry).await;
}
