//! Work that one process at a time may do. The process holds a lease and renews it for as long as the work takes. A
//! killed process renews nothing, and the others take over when its lease has ended. The caller stores the leases.

use std::{error::Error, time::Duration};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::causes;

/// Longest time for which a killed process keeps its work from the others.
pub const LEASE: Duration = Duration::from_secs(10);
/// Interval at which a lease is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(3);

/// End of work under a lease.
#[derive(Debug, PartialEq, Eq)]
pub enum Held<T> {
    /// It was done, with this result.
    Done(T),
    /// Another process has the lease: the work was dropped.
    Lost,
    /// The process stops: the work was dropped.
    Stopped,
}

/// Does `work`, and calls `renew` to prolong the lease of `job` by [`LEASE`] meanwhile; `renew` returns false when
/// another process has the lease. While `renew` fails the work goes on: its writes have to name the lease, so that
/// those of a former holder are refused. Once `stop` is cancelled, the work has `grace` to end by itself.
pub async fn hold<T, E, R>(
    job: Uuid,
    work: impl Future<Output = T>,
    renew: impl Fn() -> R,
    stop: &CancellationToken,
    grace: Duration,
) -> Held<T>
where
    R: Future<Output = Result<bool, E>>,
    E: Error + 'static,
{
    tokio::select! {
        done = work => Held::Done(done),
        () = lost(job, renew) => Held::Lost,
        () = stopped(stop, grace) => Held::Stopped,
    }
}

/// Renews the lease until another process has it.
async fn lost<E, R>(job: Uuid, renew: impl Fn() -> R)
where
    R: Future<Output = Result<bool, E>>,
    E: Error + 'static,
{
    loop {
        tokio::time::sleep(RENEW_EVERY).await;
        match renew().await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::warn!(job_id = %job, error = causes(&error), "a lease could not be renewed"),
        }
    }
}

async fn stopped(stop: &CancellationToken, grace: Duration) {
    stop.cancelled().await;
    tokio::time::sleep(grace).await;
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        future::{pending, ready},
        io,
    };

    use tokio::time::{Instant, sleep};

    use super::*;

    const GRACE: Duration = Duration::from_secs(2);

    #[tokio::test(start_paused = true)]
    async fn a_lease_is_renewed_before_it_ends_for_as_long_as_the_work_takes() {
        let renewed = Cell::new(Instant::now());
        let renew = || {
            assert!(renewed.replace(Instant::now()).elapsed() < LEASE);
            ready(Ok::<_, io::Error>(true))
        };
        let work = async {
            sleep(LEASE * 10).await;
            7
        };
        assert_eq!(hold(Uuid::nil(), work, renew, &CancellationToken::new(), GRACE).await, Held::Done(7));
        assert!(renewed.get().elapsed() < LEASE, "it was renewed to the end");
    }

    #[tokio::test(start_paused = true)]
    async fn work_ends_when_its_lease_is_anothers_and_goes_on_while_nobody_can_tell() {
        let asked = Cell::new(0);
        let renew = || {
            asked.set(asked.get() + 1);
            ready(if asked.get() < 5 { Err(io::Error::other("away")) } else { Ok(false) })
        };
        assert_eq!(hold(Uuid::nil(), pending::<()>(), renew, &CancellationToken::new(), GRACE).await, Held::Lost);
        assert_eq!(asked.get(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn work_has_a_grace_to_end_by_itself_when_the_process_stops() {
        let renew = || ready(Ok::<_, io::Error>(true));
        let stop = CancellationToken::new();
        stop.cancel();
        let held = hold(Uuid::nil(), sleep(GRACE / 2), renew, &stop, GRACE).await;
        assert_eq!(held, Held::Done(()));
        assert_eq!(hold(Uuid::nil(), pending::<()>(), renew, &stop, GRACE).await, Held::Stopped);
        assert_eq!(hold(Uuid::nil(), pending::<()>(), renew, &stop, Duration::ZERO).await, Held::Stopped);
    }
}
