//! Checks that the measurements were valid: the data before, and the bookings after.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::psql;
use crate::setup::Setup;

/// Number of appointments in the organization that is read.
pub(crate) const APPOINTMENTS: u32 = 5_000;

/// Creates organizations with a person at the front desk of each, in the database at `url`.
pub(crate) async fn clinics(setup: &Setup, url: &str, organizations: u32) -> Result<()> {
    let script = include_str!("../sql/clinics.sql");
    psql::run(setup, url, &[("organizations", organizations)], script).await.context("cannot seed")?;
    Ok(())
}

/// Fills the database; returns the id of the first appointment of organization 1, which has every other one from there.
pub(crate) async fn seed(setup: &Setup, people: u32) -> Result<u64> {
    let organizations = setup.organizations()?;
    clinics(setup, &setup.database_url, organizations).await?;
    let variables = [("organizations", organizations), ("people", people), ("appointments", APPOINTMENTS)];
    psql::run(setup, &setup.database_url, &variables, include_str!("../sql/seed.sql")).await.context("cannot seed")?;
    let seen = psql::run(setup, &setup.database_app_url, &[], include_str!("../sql/check-seed.sql")).await?;
    let numbers = numbers(&seen)?;
    let [without, within, first, last] = numbers[..] else { bail!("check-seed.sql printed {seen:?}") };
    let expected = u64::from(APPOINTMENTS);
    if without != 0 || within != expected || last != first + 2 * (expected - 1) {
        bail!("row-level security or the seed is not as expected: without a context, within, ids: {numbers:?}");
    }
    Ok(first)
}

/// Waits until Core has encrypted the titles that the seed writes in plain text and made the keys of its names, which
/// housekeeping does once after each start, and vacuums the tables as autovacuum would, so that this work is not
/// measured.
pub(crate) async fn settled(setup: &Setup) -> Result<()> {
    let left = "select (select count(*) from appointments where title <> '')
                     + (select count(*) from patients where name_keys_version is null or indexes_version is null)
                     + (select count(*) from users where name_keys_version is null);";
    none_left(setup, left, "the rows of the seed are not in form").await?;
    psql::run(setup, &setup.database_url, &[], "vacuum (analyze) appointments, patients, users;").await?;
    Ok(())
}

/// Waits until no audit row is left to be forwarded.
pub(crate) async fn forwarded(setup: &Setup) -> Result<()> {
    none_left(setup, "select count(*) from audit_outbox;", "audit rows are still not forwarded").await
}

/// Waits until the number that a query prints is 0. Fails after a minute, and names what Core has not done by then.
pub(crate) async fn none_left(setup: &Setup, query: &str, missing: &str) -> Result<()> {
    let limit = Instant::now() + Duration::from_mins(1);
    while numbers(&psql::run(setup, &setup.database_url, &[], query).await?)? != [0] {
        if Instant::now() > limit {
            bail!("{missing} after a minute: see the log of server-core");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Fails unless each acknowledged booking exists with its audit row, and Core has forwarded its audit rows.
pub(crate) async fn created(setup: &Setup, by_server: u64, by_pgbench: u64) -> Result<()> {
    let limit = Instant::now() + Duration::from_mins(1);
    loop {
        let seen = psql::run(setup, &setup.database_url, &[], include_str!("../sql/check-created.sql")).await?;
        let numbers = numbers(&seen)?;
        let [server, server_audit, naive, naive_audit, outbox] = numbers[..] else {
            bail!("check-created.sql printed {seen:?}")
        };
        if (server, server_audit) != (by_server, by_server) {
            bail!("{by_server} bookings were answered 201, but {server} are there with {server_audit} audit rows");
        }
        if naive < by_pgbench || naive != naive_audit {
            bail!("pgbench counts {by_pgbench} bookings, but {naive} are there with {naive_audit} audit rows");
        }
        if outbox == 0 {
            return Ok(());
        }
        if Instant::now() > limit {
            bail!("{outbox} audit rows are still not forwarded");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn numbers(text: &str) -> Result<Vec<u64>> {
    let fields = text.split(['\n', '|']).filter(|field| !field.is_empty());
    fields.map(|field| field.parse().with_context(|| format!("{field:?} is no number"))).collect()
}
