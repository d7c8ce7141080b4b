//! Time from the commit of a mutation in Core to the commit of its audit row in Telemetry.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use chrono::{SubsecRound as _, TimeDelta, Utc};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::http::Connection;
use crate::measure::Plan;
use crate::psql;
use crate::requests::{Caller, Kind, Requests};
use crate::server::Server;
use crate::setup::{Setup, TelemetrySetup};

/// Mutations a second.
pub(super) const RATE: u32 = 200;
/// The organization that books.
const ORGANIZATION: u32 = 3;
/// Least duration of the measurement.
const LEAST: u32 = 10;

/// Lags, each of one mutation.
#[derive(Debug)]
pub(super) struct Lag {
    /// Sorted.
    pub(super) lags: Vec<Duration>,
    /// Mutations a second that Core answered.
    pub(super) rate: f64,
}

/// Books at a steady rate, and compares the times of commit that both databases recorded.
pub(super) async fn measure(
    setup: &Setup,
    telemetry: &TelemetrySetup,
    plan: Plan,
    core: &Server,
    people: u32,
) -> Result<Lag> {
    let connections = plan.connections;
    let base = (Utc::now() + TimeDelta::days(1)).trunc_subsecs(0);
    let caller = Caller { token: setup.token(ORGANIZATION)?, organization: ORGANIZATION };
    let began = Instant::now();
    let end = began + Duration::from_secs(plan.seconds.max(LEAST).into());
    let mut tasks = JoinSet::new();
    for connection in 0..connections {
        let kind = Kind::Create { connection, connections, offset: 2 * people, base };
        let requests = Requests::new(kind, Some(caller), &core.address, connection);
        let between = Duration::from_secs(1) * connections / RATE;
        let first = began + between * connection / connections;
        tasks.spawn(book(core.address.clone(), requests, first, between, end));
    }
    let mut answered = 0;
    while let Some(count) = tasks.join_next().await {
        answered += count??;
    }
    let elapsed = began.elapsed();
    let lags = lags(setup, telemetry, answered).await?;
    Ok(Lag { lags, rate: crate::measure::float(answered) / elapsed.as_secs_f64() })
}

/// Books once each interval.
async fn book(address: String, mut requests: Requests, first: Instant, between: Duration, end: Instant) -> Result<u64> {
    let mut connection = Connection::connect(&address).await?;
    let mut ticks = tokio::time::interval_at(first.into(), between);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut request = Vec::new();
    while ticks.tick().await.into_std() < end {
        requests.next(&mut request)?;
        let status = connection.call(&request).await?;
        ensure!(status == requests.status(), "a booking was answered {status}");
    }
    Ok(requests.count())
}

/// Waits until Telemetry has every row, and returns the sorted lags.
async fn lags(setup: &Setup, telemetry: &TelemetrySetup, expected: u64) -> Result<Vec<Duration>> {
    let committed = |table: &str| {
        format!(
            "select id, (extract(epoch from pg_xact_commit_timestamp(xmin)) * 1000000)::bigint from {table}
             where organization_id = {ORGANIZATION} and operation_id = 'appointment_create';"
        )
    };
    let core = times(&psql::run(setup, &setup.database_url, &[], &committed("audit_log")).await?)?;
    ensure!(core.len() as u64 == expected, "{expected} bookings left {} audit rows", core.len());
    let limit = Instant::now() + Duration::from_mins(1);
    let stored = loop {
        let stored = times(&psql::run(setup, &telemetry.database_url, &[], &committed("audit.audit_logs")).await?)?;
        if stored.len() >= core.len() {
            break stored;
        }
        if Instant::now() > limit {
            bail!("a minute after the last booking, Telemetry has {} of {expected} audit rows", stored.len());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let mut lags = Vec::with_capacity(core.len());
    for (id, began) in core {
        let ended = stored.get(&id).with_context(|| format!("Telemetry has no row {id}"))?;
        lags.push(Duration::from_micros(ended.saturating_sub(began)));
    }
    lags.sort_unstable();
    Ok(lags)
}

/// Reads lines of id and microseconds.
fn times(text: &str) -> Result<HashMap<String, u64>> {
    let line = |line: &str| {
        let (id, time) = line.split_once('|').with_context(|| format!("{line:?} is no id with its time"))?;
        Ok((id.to_owned(), time.parse()?))
    };
    text.lines().filter(|text| !text.is_empty()).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_id_and_a_time() {
        let read = times("a|12\nb|7\n").unwrap();
        assert_eq!((read.len(), read["a"], read["b"]), (2, 12, 7));
        assert!(times("a|").is_err(), "a row whose commit has no time");
    }
}
