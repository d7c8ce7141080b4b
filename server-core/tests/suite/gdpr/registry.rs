//! Comparison of the registry of personal columns, as printed by the program, with the schema.

use std::collections::BTreeSet;

use test_support::CoreApp;

const IMPERSONAL: &str = include_str!("../gdpr_impersonal.txt");

/// Line of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Personal {
    pub(super) table: String,
    pub(super) column: String,
    pub(super) found_by: String,
    pub(super) erase: String,
    /// Name in exports; `-` if exports don't show the column.
    pub(super) shown: String,
}

/// Reads the registry that the program prints.
pub(super) fn personal(app: &CoreApp) -> Vec<Personal> {
    let printed = String::from_utf8(app.server.run("personal-data")).unwrap();
    let lines = printed.lines().map(|line| {
        let cells: Vec<String> = line.split('\t').map(str::to_owned).collect();
        let [table, column, found_by, erase, _, shown] = <[String; 6]>::try_from(cells).unwrap();
        Personal { table, column, found_by, erase, shown }
    });
    lines.collect()
}

#[tokio::test]
async fn the_registry_knows_every_column_of_the_database() {
    let app = CoreApp::start().await;
    let columns: BTreeSet<String> = sqlx::query_scalar(
        "select c.relname || '.' || a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid
         where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
           and c.relname <> '_sqlx_migrations'",
    )
    .fetch_all(&mut app.owner().await)
    .await
    .unwrap()
    .into_iter()
    .collect();
    let personal: BTreeSet<String> =
        personal(&app).into_iter().map(|line| format!("{}.{}", line.table, line.column)).collect();
    let mut impersonal = BTreeSet::new();
    for line in IMPERSONAL.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (names, reason) = line.split_once(": ").unwrap_or_else(|| panic!("no reason: {line}"));
        assert!(reason.len() > 15, "no real reason in gdpr_impersonal.txt: {line}");
        let (table, names) = names.split_once('.').unwrap_or_else(|| panic!("no table: {line}"));
        impersonal.extend(names.split(' ').map(|name| format!("{table}.{name}")));
    }
    let known: BTreeSet<String> = personal.union(&impersonal).cloned().collect();
    let missing: Vec<_> = columns.difference(&known).collect();
    assert!(missing.is_empty(), "neither in any holdings.rs nor in gdpr_impersonal.txt: {missing:?}");
    let gone: Vec<_> = known.difference(&columns).collect();
    assert!(gone.is_empty(), "columns that are not there (any more): {gone:?}");
    let both: Vec<_> = personal.intersection(&impersonal).collect();
    assert!(both.is_empty(), "personal and impersonal at once: {both:?}");
}
