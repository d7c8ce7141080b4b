//! Comparison of the registry of personal columns with the real schemas.

use std::collections::BTreeSet;

use test_support::TelemetryApp;

const IMPERSONAL: &str = include_str!("impersonal_columns.txt");

/// Store, table and column.
pub(crate) type Column = (String, String, String);

/// Line of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Personal {
    pub(crate) column: Column,
    pub(crate) found_by: String,
    pub(crate) erase: String,
    pub(crate) anonymize: String,
}

/// Returns the registry as the service prints it.
pub(crate) fn personal(app: &TelemetryApp) -> Vec<Personal> {
    let printed = String::from_utf8(app.server.run("personal-columns")).expect("the registry is text");
    let lines = printed.lines().map(|line| {
        let cells: Vec<String> = line.split('\t').map(str::to_owned).collect();
        let [store, table, column, found_by, erase, anonymize] = <[String; 6]>::try_from(cells).expect("six cells");
        Personal { column: (store, table, column), found_by, erase, anonymize }
    });
    lines.collect()
}

/// Returns the list of impersonal columns, with `*` for all columns of a table.
fn impersonal() -> Vec<Column> {
    let mut columns = Vec::new();
    for line in IMPERSONAL.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (head, reason) = line.split_once(": ").unwrap_or_else(|| panic!("no reason: {line}"));
        assert!(reason.len() > 15, "no real reason: {line}");
        let mut words = head.splitn(3, ' ');
        let mut word =
            || words.next().unwrap_or_else(|| panic!("store, table and columns are needed: {line}")).to_owned();
        let (store, table, names) = (word(), word(), word());
        columns.extend(names.split(", ").map(|name| (store.clone(), table.clone(), name.to_owned())));
    }
    columns
}

/// Returns every column of the schemas.
async fn real(app: &TelemetryApp) -> Vec<Column> {
    let mut superuser = app.database.superuser().await;
    // A partition has the columns of its parent.
    let mut columns: Vec<Column> = sqlx::query_as(
        "select 'postgresql', table_schema || '.' || table_name, column_name::text
         from information_schema.columns
         where table_schema !~ '^pg_' and table_schema <> 'information_schema'
           and not (select relispartition from pg_class
                    where oid = format('%I.%I', table_schema, table_name)::regclass)
         order by 2, 3",
    )
    .fetch_all(&mut superuser)
    .await
    .expect("the catalogue can be read");
    let sql = "select table, name from system.columns where database = currentDatabase() order by 1, 2 format TSV";
    columns.extend(app.clickhouse.query(sql).await.lines().map(|line| {
        let (table, column) = line.split_once('\t').expect("two columns were asked for");
        ("clickhouse".to_owned(), table.to_owned(), column.to_owned())
    }));
    columns
}

#[tokio::test]
async fn every_column_is_personal_or_known_to_be_about_nobody() {
    let app = TelemetryApp::start().await;
    let real = real(&app).await;
    let personal: BTreeSet<Column> = personal(&app).into_iter().map(|line| line.column).collect();
    let impersonal = impersonal();
    let listed = |(store, table, column): &Column| {
        impersonal.iter().any(|(s, t, c)| (s, t) == (store, table) && (c == column || c == "*"))
    };
    let unknown: Vec<&Column> = real.iter().filter(|column| !personal.contains(column) && !listed(column)).collect();
    assert!(
        unknown.is_empty(),
        "does it identify or describe a person? Then it belongs in privacy/registry.rs, else with the reason in \
         impersonal_columns.txt: {unknown:#?}"
    );
    let both: Vec<&Column> = real.iter().filter(|column| personal.contains(column) && listed(column)).collect();
    assert!(both.is_empty(), "personal or not? {both:#?}");
    let gone: Vec<&Column> = personal.iter().filter(|column| !real.contains(column)).collect();
    assert!(gone.is_empty(), "the registry names columns that there are not: {gone:#?}");
    let stale: Vec<&Column> = impersonal
        .iter()
        .filter(|(store, table, column)| {
            !real.iter().any(|(s, t, c)| (s, t) == (store, table) && (c == column || column == "*"))
        })
        .collect();
    assert!(stale.is_empty(), "impersonal_columns.txt names columns that there are not: {stale:#?}");
}
