//! Queue of refused and failed attempts for the audit trail, which have no transaction to be stored in.
//!
//! The queue is bounded and no request waits for it. When attempts come faster than they can be stored, those that
//! don't fit are counted by their kind, and each count becomes one entry a minute.
//!
//! Attempts of unauthenticated callers are always counted, by their outcome and the network that they came from.
//! Anybody can make them, so they must not cost an entry each.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    future::Future,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{interval, sleep},
};
use tokio_util::sync::CancellationToken;

/// Maximum number of attempts that are stored in one batch.
const BATCH: usize = 500;
/// Maximum number of kinds that are counted when the queue is full; the metric counts the rest.
const KINDS: usize = 10_000;
/// Number of kinds beyond which unauthenticated callers are counted without their network, because somebody with
/// many addresses could make a kind of each.
const NETWORKS: usize = 1_000;
/// Interval at which counts become entries.
const COUNT_EVERY: Duration = Duration::from_mins(1);
/// Pause after a failure to store.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// An attempt that was refused or failed, such as a refused authentication.
pub trait Attempt: fmt::Debug + Send + 'static {
    /// Properties that attempts have in common when they are counted together: the caller, the operation and the
    /// outcome; for unauthenticated callers, the outcome and the network.
    type Kind: fmt::Debug + Eq + Hash + Send;

    /// Returns its kind.
    fn kind(&self) -> Self::Kind;

    /// Returns true if the caller was not authenticated.
    fn is_strangers(&self) -> bool;

    /// Removes the caller's address.
    fn forget_address(&mut self);

    /// Merges another attempt of the same kind into this one. Values in which the two differ are removed; of the
    /// addresses, their [`common`](crate::address::common) network is kept.
    fn merge(&mut self, other: Self);
}

/// Failure to store attempts.
#[derive(Debug)]
pub enum Unstored<E> {
    /// The store is unavailable; the attempts are stored later.
    Unavailable(E),
    /// The store refuses one of them.
    Refused(E),
}

/// Store of attempts.
pub trait Store<A>: Send + Sync {
    /// Error of the store; its text holds no value of an attempt.
    type Error: fmt::Display + Send;

    /// Stores all of them, or none.
    fn store(&self, attempts: &[A]) -> impl Future<Output = Result<(), Unstored<Self::Error>>> + Send;
}

/// Takes attempts without waiting. Clones fill the same queue.
#[derive(Debug)]
pub struct Attempts<A: Attempt> {
    queue: mpsc::Sender<A>,
    counts: Counts<A>,
}

impl<A: Attempt> Clone for Attempts<A> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), counts: Arc::clone(&self.counts) }
    }
}

type Counts<A> = Arc<Mutex<HashMap<<A as Attempt>::Kind, A>>>;

/// Job that stores the attempts that [`Attempts`] recorded.
#[derive(Debug)]
pub struct AttemptWriter<A: Attempt> {
    queue: mpsc::Receiver<A>,
    counts: Counts<A>,
}

/// Makes a queue of at most `capacity` attempts, and the writer that empties it.
pub fn queue<A: Attempt>(capacity: usize) -> (Attempts<A>, AttemptWriter<A>) {
    let (sender, receiver) = mpsc::channel(capacity);
    let counts = Counts::<A>::default();
    let writer = AttemptWriter { queue: receiver, counts: Arc::clone(&counts) };
    (Attempts { queue: sender, counts }, writer)
}

impl<A: Attempt> Attempts<A> {
    /// Records an attempt.
    pub fn record(&self, attempt: A) {
        if attempt.is_strangers() {
            return self.count(attempt);
        }
        if let Err(refused) = self.queue.try_send(attempt) {
            metrics::counter!("audit_attempts_collapsed_total").increment(1);
            self.count(refused.into_inner());
        }
    }

    fn count(&self, mut attempt: A) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if attempt.is_strangers() && counts.len() >= NETWORKS && !counts.contains_key(&attempt.kind()) {
            attempt.forget_address();
        }
        let full = counts.len() >= KINDS;
        match counts.entry(attempt.kind()) {
            Entry::Occupied(mut counted) => counted.get_mut().merge(attempt),
            Entry::Vacant(_) if full => metrics::counter!("audit_attempts_lost_total").increment(1),
            Entry::Vacant(free) => drop(free.insert(attempt)),
        }
    }
}

impl<A: Attempt> AttemptWriter<A> {
    /// Stores attempts until `stop`, then those that are left.
    pub async fn run<S: Store<A>>(mut self, store: S, stop: CancellationToken) {
        let mut minute = interval(COUNT_EVERY);
        minute.tick().await;
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = minute.tick() => batch.extend(self.counted()),
                _ = self.queue.recv_many(&mut batch, BATCH) => {}
            }
            while !batch.is_empty() {
                let next = batch.len().min(BATCH);
                if write(&store, &batch[..next]).await {
                    batch.drain(..next);
                    continue;
                }
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = sleep(RETRY_AFTER) => {}
                }
            }
        }
        self.queue.close();
        while let Ok(attempt) = self.queue.try_recv() {
            batch.push(attempt);
        }
        batch.extend(self.counted());
        for batch in batch.chunks(BATCH) {
            if !write(&store, batch).await {
                tracing::error!("attempts were not recorded before the service ended");
                return;
            }
        }
    }

    fn counted(&self) -> Vec<A> {
        let counts = std::mem::take(&mut *self.counts.lock().unwrap_or_else(PoisonError::into_inner));
        counts.into_values().collect()
    }
}

/// Stores attempts. Returns false while the store is unavailable. An attempt that the store refuses does not delay the
/// others.
async fn write<A: Attempt, S: Store<A>>(store: &S, batch: &[A]) -> bool {
    match store.store(batch).await {
        Ok(()) => {}
        Err(Unstored::Unavailable(error)) => {
            tracing::warn!(%error, waiting = batch.len(), "attempts can't be recorded yet");
            return false;
        }
        Err(Unstored::Refused(_)) => {
            for attempt in batch.chunks(1) {
                if let Err(Unstored::Unavailable(error) | Unstored::Refused(error)) = store.store(attempt).await {
                    metrics::counter!("audit_attempts_lost_total").increment(1);
                    tracing::error!(%error, "an attempt can't be recorded");
                }
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
    struct Knock {
        who: &'static str,
        from: Option<u32>,
        times: u32,
    }

    impl Attempt for Knock {
        type Kind = (&'static str, Option<u32>);

        fn kind(&self) -> Self::Kind {
            (self.who, self.from.filter(|_| self.is_strangers()))
        }

        fn is_strangers(&self) -> bool {
            self.who == "nobody"
        }

        fn forget_address(&mut self) {
            self.from = None;
        }

        fn merge(&mut self, other: Self) {
            self.times += other.times;
            self.from = self.from.filter(|_| self.from == other.from);
        }
    }

    fn knock(who: &'static str) -> Knock {
        Knock { who, from: Some(1), times: 1 }
    }

    #[test]
    fn strangers_are_counted_by_network_and_beyond_many_without() {
        let (attempts, writer) = queue(10);
        let most = u32::try_from(NETWORKS).unwrap();
        for from in (0..most + 3).chain(0..2) {
            attempts.record(Knock { from: Some(from), ..knock("nobody") });
        }
        let counted = writer.counted();
        assert_eq!(counted.len(), NETWORKS + 1, "the networks, and all others as one");
        let times = |from| counted.iter().find(|knock| knock.from == from).map(|knock| knock.times);
        assert_eq!((times(Some(0)), times(Some(2)), times(None)), (Some(2), Some(1), Some(3)));
        assert!(writer.queue.is_empty(), "none is an entry of its own");
    }

    /// Store that is unavailable `down` times and then keeps all attempts but those of `bad`.
    #[derive(Default, Clone)]
    struct Shelf(Arc<Mutex<(u32, Vec<Knock>)>>);

    impl Store<Knock> for Shelf {
        type Error = &'static str;

        async fn store(&self, attempts: &[Knock]) -> Result<(), Unstored<&'static str>> {
            let mut kept = self.0.lock().unwrap();
            if kept.0 > 0 {
                kept.0 -= 1;
                return Err(Unstored::Unavailable("down"));
            }
            if attempts.iter().any(|attempt| attempt.who == "bad") {
                return Err(Unstored::Refused("bad"));
            }
            kept.1.extend_from_slice(attempts);
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_the_queue_can_not_hold_is_counted_by_kind() {
        let (attempts, writer) = queue(2);
        attempts.record(knock("ana"));
        attempts.record(knock("ana"));
        assert!(writer.counted().is_empty());
        for (who, from) in [("ana", 1), ("tom", 7), ("ana", 2), ("ana", 1)] {
            attempts.record(Knock { from: Some(from), ..knock(who) });
        }
        let mut counted = writer.counted();
        counted.sort();
        let of = |who, from, times| Knock { who, from, times };
        assert_eq!(counted, [of("ana", None, 3), of("tom", Some(7), 1)], "what differs is not said of any");
        assert!(writer.counted().is_empty(), "a count is stored once");
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_delays_and_one_that_is_refused_holds_up_no_other() {
        let (attempts, writer) = queue(10);
        let shelf = Shelf(Arc::new(Mutex::new((3, Vec::new()))));
        for who in ["ana", "bad", "tom"] {
            attempts.record(knock(who));
        }
        let stop = CancellationToken::new();
        let running = tokio::spawn(writer.run(shelf.clone(), stop.clone()));
        while shelf.0.lock().unwrap().1.len() < 2 {
            sleep(RETRY_AFTER).await;
        }
        assert_eq!(shelf.0.lock().unwrap().1, [knock("ana"), knock("tom")]);
        attempts.record(knock("eve"));
        stop.cancel();
        running.await.unwrap();
        assert_eq!(shelf.0.lock().unwrap().1.last(), Some(&knock("eve")), "what is left is stored at the end");
    }
}
