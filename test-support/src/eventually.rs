//! The one place where tests wait.

use std::{
    fmt::Display,
    future::Future,
    time::{Duration, Instant},
};

const EVERY: Duration = Duration::from_millis(20);

/// Asks `condition` every 20 ms until it gives a value; how long that took comes with it.
///
/// # Panics
/// Panics if `within` passes first; the message says `what` was waited for.
pub async fn until<T, F>(what: impl Display, within: Duration, mut condition: impl FnMut() -> F) -> (T, Duration)
where
    F: Future<Output = Option<T>>,
{
    let began = Instant::now();
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        if let Some(value) = condition().await {
            return (value, began.elapsed());
        }
        assert!(began.elapsed() < within, "waited {within:?} in vain: {what}");
    }
}

/// Asks `condition` every 20 ms until it holds.
///
/// # Panics
/// Panics if `within` passes first; the message says `what` was waited for.
pub async fn eventually<F>(what: impl Display, within: Duration, mut condition: impl FnMut() -> F)
where
    F: Future<Output = bool>,
{
    until(what, within, || {
        let holds = condition();
        async move { holds.await.then_some(()) }
    })
    .await;
}
