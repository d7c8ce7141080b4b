//! Tests of several writes in one request, against PostgreSQL.

#![allow(clippy::unwrap_used, reason = "tests")]

use secrecy::SecretString;
use test_support::Kind;
use uuid::Uuid;

use super::{
    Across, Claim, ClaimState, Connections, Database, Lock, RequestHash, SealedAnswer, Tx, WriteTx, connect,
    write::Committed,
};
use crate::{
    config::PoolConfig,
    event::{Reactions, events},
    identity::{Caller, Listeners},
    ids::{Entity, OrganizationId},
    wake::Wake,
};

#[derive(Debug, Clone)]
pub(crate) struct Clinic(&'static str);

impl Entity for Clinic {
    const TYPE: &'static str = "organization";

    fn entity_id(&self) -> String {
        self.0.to_owned()
    }
}

events! {
    /// Events that the tests commit.
    OrganizationAdded of Clinic {
        /// A clinic was created.
        Created => "created",
    }
}

/// A test's own database, and the access to it.
struct Fixture {
    stored: test_support::Database,
    database: Database,
    caller: Caller,
}

impl Fixture {
    async fn new() -> Self {
        let name = format!("t_write_{}", &Uuid::new_v4().simple().to_string()[..12]);
        let stored = test_support::Database::create(Kind::Core, &name).await;
        let second = std::time::Duration::from_secs(1);
        let config =
            PoolConfig { min: 0, max: 4, acquire_timeout: 5 * second, max_lifetime: 60 * second, idle_timeout: second };
        let pool = |url: String| connect(&SecretString::from(url), &config).unwrap();
        let app = Connections::new(&SecretString::from(stored.app_url()), &config).unwrap();
        let owner = Across::new(pool(stored.owner_url()));
        let database =
            Database::new(owner, app, (Wake::default(), Wake::default()), Listeners::default(), Reactions::default());
        Self { stored, database, caller: Caller::job(None, "organization_create", Uuid::now_v7()) }
    }

    fn claim(&self) -> super::Claimed {
        let claim = Claim::new(0, vec![1], RequestHash::new(|| vec![2]));
        self.database.claim(&self.caller.request.request_id, claim)
    }

    /// Opens a transaction that adds a clinic.
    async fn adding(&self, slug: &'static str) -> WriteTx {
        let locks = vec![Lock::Members(OrganizationId(1))];
        let mut tx = self.database.write_locked(&self.caller, locks).await.unwrap();
        sqlx::query("insert into organizations (name, slug, timezone) values ($1, $1, 'UTC')")
            .bind(slug)
            .execute(tx.connection().unwrap())
            .await
            .unwrap();
        tx
    }

    async fn add(&self, slug: &'static str) -> Committed {
        self.adding(slug).await.commit(OrganizationAdded::Created(Clinic(slug))).await.unwrap()
    }

    /// Slugs of the clinics that are stored, and of those in the audit log.
    async fn stored(&self) -> (Vec<String>, Vec<String>) {
        let mut owner = self.stored.owner().await;
        let slugs = sqlx::query_scalar("select slug from organizations order by slug");
        let audited = sqlx::query_scalar("select entity_id from audit_log order by entity_id");
        (slugs.fetch_all(&mut owner).await.unwrap(), audited.fetch_all(&mut owner).await.unwrap())
    }
}

fn answer() -> SealedAnswer {
    SealedAnswer { status: 201, secret: false, wrapped_key: vec![3], answer: vec![4] }
}

fn both(slugs: &[&str]) -> (Vec<String>, Vec<String>) {
    let slugs: Vec<String> = slugs.iter().map(|slug| (*slug).to_owned()).collect();
    (slugs.clone(), slugs)
}

#[tokio::test]
async fn the_writes_of_a_request_with_a_key_are_durable_together_with_its_answer() {
    let fixture = Fixture::new().await;
    let claim = fixture.claim();
    assert_eq!(fixture.add("a").await, Committed::WithAnswer);
    // A write that is dropped is undone alone, whether it is the last one or stands between others.
    drop(fixture.adding("b").await);
    assert_eq!(fixture.add("c").await, Committed::WithAnswer);
    drop(fixture.adding("d").await);
    assert_eq!((claim.state(), fixture.stored().await), (ClaimState::Held, both(&[])));
    claim.commit(answer()).await.unwrap();
    assert_eq!(fixture.stored().await, both(&["a", "c"]));
    let answered = "select count(*) from idempotency_keys where status = 201";
    assert_eq!(fixture.stored.count(answered).await, 1);
}

#[tokio::test]
async fn a_request_that_fails_after_its_writes_leaves_nothing_and_frees_its_key() {
    let fixture = Fixture::new().await;
    let claim = fixture.claim();
    fixture.add("a").await;
    fixture.add("b").await;
    claim.abandon();
    drop(claim);
    let again = fixture.claim();
    assert_eq!(fixture.add("c").await, Committed::WithAnswer);
    again.commit(answer()).await.unwrap();
    assert_eq!(fixture.stored().await, both(&["c"]));
}

#[tokio::test]
async fn a_second_write_that_ends_the_transaction_is_no_success() {
    let fixture = Fixture::new().await;
    let claim = fixture.claim();
    fixture.add("a").await;
    let others = "select pg_terminate_backend(pid) from pg_stat_activity
                  where datname = current_database() and application_name = 'server-core'";
    sqlx::query(others).execute(&mut fixture.stored.superuser().await).await.unwrap();
    assert!(fixture.database.write(&fixture.caller).await.is_err());
    assert_eq!((claim.state(), fixture.stored().await), (ClaimState::Lost, both(&[])));
}

#[tokio::test]
async fn what_is_written_apart_or_without_a_key_is_durable_at_once() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.add("a").await, Committed::Durable);
    let claim = fixture.claim();
    fixture.add("b").await;
    let mut apart = fixture.database.write_apart(&fixture.caller, Vec::new()).await.unwrap();
    let sql = "insert into organizations (name, slug, timezone) values ('c', 'c', 'UTC')";
    sqlx::query(sql).execute(apart.connection().unwrap()).await.unwrap();
    assert_eq!(apart.commit(OrganizationAdded::Created(Clinic("c"))).await.unwrap(), Committed::Durable);
    claim.abandon();
    assert_eq!(fixture.stored().await, both(&["a", "c"]));
}
