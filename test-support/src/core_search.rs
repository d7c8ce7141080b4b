//! Looks for a value wherever Core keeps anything, in whatever shape: in the clear, as bytes, inside
//! ciphertexts, as a blind index, in files.

use server_shared::{
    crypto::{Binding, BlindIndex, DataKey, Key32, MasterKeys, normalize_national_id},
    value::{EmailAddress, PhoneNumber},
};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::{CoreApp, Place, storage};

type Normalize = fn(&str) -> String;

/// Columns that have a blind index, and how their values are normalized for it.
const INDEXED: [(&str, Normalize); 3] = [
    ("email", EmailAddress::key_of),
    ("phone", |text| PhoneNumber::key_of(text, None)),
    ("national_id", normalize_national_id),
];

impl CoreApp {
    /// Every place of Core's PostgreSQL, Redis and S3 that holds the value.
    pub async fn search(&self, value: &str) -> Vec<Place> {
        self.search_each(&[value.to_owned()]).await.remove(0)
    }

    /// The same for each of many values.
    pub async fn search_each(&self, values: &[String]) -> Vec<Vec<Place>> {
        let mut database = self.database.superuser().await;
        let index = BlindIndex::new(self.key("BLIND_INDEX_KEY"));
        let organizations: Vec<i64> = sqlx::query_scalar("select id from organizations union select 0 order by 1")
            .fetch_all(&mut database)
            .await
            .expect("the superuser may read");
        let forms = values.iter().map(|value| {
            let mut forms = vec![value.clone()];
            for (column, normalize) in INDEXED {
                let indexed = |organization: &i64| hex(&index.of(*organization, column, &normalize(value)));
                forms.extend(organizations.iter().map(indexed));
            }
            forms
        });
        let mut found = self.database.search_each(&forms.collect::<Vec<_>>()).await;
        let objects = storage::objects(&self.server.environment()["AWS_BUCKET_NAME"]).await;
        for (value, places) in values.iter().zip(&mut found) {
            places.extend(self.search_sealed(&mut database, value).await);
            places.extend(self.redis().search(value));
            for (key, body) in &objects {
                let held = body.windows(value.len()).any(|window| window == value.as_bytes());
                if held || key.contains(value) {
                    places.push(Place { store: "s3", table: key.clone(), column: String::new(), rows: 1 });
                }
            }
        }
        found
    }

    /// Puts a file where Core keeps files.
    pub async fn file_put(&self, key: &str, body: &str) {
        storage::object_put(&self.server.environment()["AWS_BUCKET_NAME"], key, body).await;
    }

    /// Opens every value whose key still exists.
    async fn search_sealed(&self, database: &mut PgConnection, value: &str) -> Vec<Place> {
        let keys = self.data_keys(database).await;
        let columns: Vec<(String, String)> = sqlx::query_as(
            "select c.relname::text, a.attname::text from pg_attribute a join pg_class c on c.oid = a.attrelid
             where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and a.attname like '%\\_encrypted'
               and not a.attisdropped
             order by 1, 2",
        )
        .fetch_all(&mut *database)
        .await
        .expect("the catalogue can be read");
        let mut places = Vec::new();
        for (table, column) in columns {
            // Values that belong to no organization are sealed for organization 0.
            let sql = format!(
                "select coalesce((to_jsonb(t) ->> 'organization_id')::bigint, 0),
                        coalesce(to_jsonb(t) ->> 'uid', to_jsonb(t) ->> 'id'), {column}
                 from {table} t
                 where {column} is not null"
            );
            let rows: Vec<(i64, String, Vec<u8>)> =
                sqlx::query_as(AssertSqlSafe(sql)).fetch_all(&mut *database).await.expect("the superuser may read");
            let name = column.trim_end_matches("_encrypted");
            let holds = |(organization_id, row, sealed): &(i64, String, Vec<u8>)| {
                let binding = Binding { organization_id: *organization_id, table: &table, column: name, row };
                let opened = keys.iter().find_map(|key| key.open_text(sealed, &binding).ok());
                opened.is_some_and(|opened| opened.contains(value))
            };
            let found = rows.iter().filter(|row| holds(row)).count();
            if found > 0 {
                let table = format!("public.{table}");
                places.push(Place { store: "postgresql", table, column, rows: found as u64 });
            }
        }
        places
    }

    /// Every data key that still opens.
    async fn data_keys(&self, database: &mut PgConnection) -> Vec<DataKey> {
        let master = MasterKeys::new(self.key("ENCRYPTION_KEY"), Vec::new());
        let of_records: Vec<(String, i64, Vec<u8>)> =
            sqlx::query_as("select id::text, organization_id, wrapped from data_keys")
                .fetch_all(&mut *database)
                .await
                .expect("the superuser may read");
        let of_users: Vec<(String, Vec<u8>)> =
            sqlx::query_as("select uid::text, data_key_wrapped from users where data_key_wrapped is not null")
                .fetch_all(&mut *database)
                .await
                .expect("the superuser may read");
        let of_invitations: Vec<(String, i64, Vec<u8>)> = sqlx::query_as(
            "select uid::text, organization_id, data_key_wrapped from invitations where data_key_wrapped is not null",
        )
        .fetch_all(database)
        .await
        .expect("the superuser may read");
        let of_records = of_records.iter().filter_map(|(row, organization_id, wrapped)| {
            let binding = Binding { organization_id: *organization_id, table: "data_keys", column: "wrapped", row };
            master.unwrap(wrapped, &binding).ok()
        });
        let of_users = of_users.iter().filter_map(|(row, wrapped)| {
            let binding = Binding { organization_id: 0, table: "users", column: "data_key_wrapped", row };
            master.unwrap(wrapped, &binding).ok()
        });
        let of_invitations = of_invitations.iter().filter_map(|(row, organization_id, wrapped)| {
            let (organization_id, table) = (*organization_id, "invitations");
            master.unwrap(wrapped, &Binding { organization_id, table, column: "data_key_wrapped", row }).ok()
        });
        of_records.chain(of_users).chain(of_invitations).collect()
    }

    fn key(&self, variable: &str) -> Key32 {
        Key32::from_hex(&self.server.environment()[variable]).expect("a key of 64 hexadecimal digits")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
