//! Receives the revocations that Core sent to any process.
//!
//! A trigger notifies the listeners. This one listens on a connection of its own, and sends a statement over it
//! several times a second: when the statement is answered, every earlier notification has arrived. So a
//! connection that is silently dead is detected at once, and each answer tells up to which time nothing was
//! missed. Without a connection, each request queries the database.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use server_shared::shutdown::Shutdown;
use sqlx::postgres::PgListener;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{AccessService, model::AccessRevocation, repository};

const CHANNEL: &str = "access_revoked";
/// Interval at which the listener checks its connection.
const EVERY: Duration = Duration::from_millis(200);
/// Longest wait for an answer of the database.
const PATIENCE: Duration = Duration::from_secs(1);
/// Pause before the listener connects again.
const RETRY: Duration = Duration::from_millis(500);

/// Starts to listen, and goes on until shutdown.
pub(super) fn start(access: Arc<AccessService>, shutdown: &Shutdown) {
    shutdown.spawn("access-revocations", |stop| async move {
        while !stop.is_cancelled() {
            let ended = tokio::select! {
                ended = listen(&access) => ended,
                () = stop.cancelled() => return,
            };
            access.heard.deafen();
            tracing::warn!(error = %ended, "the listener for revocations failed; each request queries the database until it works again");
            pause(&stop).await;
        }
    });
}

async fn pause(stop: &CancellationToken) {
    tokio::select! {
        () = sleep(RETRY) => {}
        () = stop.cancelled() => {}
    }
}

/// Reason for which the listener lost its connection.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the database takes too long to answer")]
    Silent(#[from] tokio::time::error::Elapsed),
}

/// Listens until the connection is lost, and returns the reason.
async fn listen(access: &AccessService) -> Ended {
    let Err(ended) = try_listen(access).await;
    ended
}

async fn try_listen(access: &AccessService) -> Result<std::convert::Infallible, Ended> {
    let mut listener = timeout(PATIENCE, access.repository.database.listener()).await??;
    timeout(PATIENCE, listener.listen(CHANNEL)).await??;
    let begun = Instant::now();
    timeout(PATIENCE, load(access, &mut listener)).await??;
    access.heard.up_to(begun);
    loop {
        sleep(EVERY).await;
        let asked = Instant::now();
        timeout(PATIENCE, sqlx::query!("select 1 as one").fetch_one(&mut listener)).await??;
        while let Some(notification) = listener.next_buffered() {
            match parse(notification.payload()) {
                Some(revocation) => access.heard.note(&revocation),
                // Sent by a later version.
                None => timeout(PATIENCE, load(access, &mut listener)).await??,
            }
        }
        access.heard.up_to(asked);
    }
}

async fn load(access: &AccessService, listener: &mut PgListener) -> Result<(), sqlx::Error> {
    let connection = sqlx::Acquire::acquire(listener).await?;
    repository::all(connection).await?.iter().for_each(|revocation| access.heard.note(revocation));
    Ok(())
}

fn parse(payload: &str) -> Option<AccessRevocation> {
    let numbers: Vec<i64> = payload.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
    let [user_id, organization_id, not_before, expires_at] = numbers.try_into().ok()?;
    Some(AccessRevocation {
        user_id,
        organization_id: Some(organization_id).filter(|id| *id != 0),
        not_before: moment(not_before)?,
        expires_at: moment(expires_at)?,
    })
}

fn moment(micros: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros)
}
