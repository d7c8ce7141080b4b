//! Admits and refuses requests by their callers' budgets.

use std::{
    fmt,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use moka::sync::Cache;
use redis::RedisError;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    Policy, Verdict,
    bucket::{Bucket, Report},
    shared::{Question, Shared},
};
use crate::{
    address::subscriber,
    crypto::{Key32, KeyedHash},
};

/// Time for which requests are collected before they are reported to Redis.
const COLLECT: Duration = Duration::from_millis(20);
/// Maximum number of callers in one message to Redis.
const BATCH: usize = 500;
/// Maximum number of callers in memory.
const CAPACITY: u64 = 200_000;
/// Time after which a caller without requests is forgotten. It exceeds the longest period, so nothing is owed then.
const IDLE: Duration = Duration::from_mins(10);

/// Owner of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Who {
    /// An address, or the IPv6 network of one subscriber.
    Address(IpAddr),
    /// A known caller, by kind and id.
    Caller(&'static str, i64),
}

impl Who {
    /// Makes the owner for an address. A subscriber has a whole /64 of IPv6, so that counts as one.
    pub fn address(ip: IpAddr) -> Self {
        Self::Address(subscriber(ip))
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(ip) => write!(f, "address:{ip}"),
            Self::Caller(kind, id) => write!(f, "{kind}:{id}"),
        }
    }
}

/// Keeps callers within their [`Policy`]. Clones are the same limiter.
#[derive(Clone)]
pub struct Limiter(Arc<Inner>);

struct Inner {
    shared: Shared,
    /// Hashes callers to keys in Redis, so that the keys identify nobody.
    names: KeyedHash,
    began: Instant,
    buckets: Cache<(&'static str, Who), Arc<Mutex<Bucket>>>,
    /// Buckets that have to be reported to Redis.
    unreported: Mutex<Vec<(Who, Arc<Mutex<Bucket>>)>>,
    wake: Notify,
}

impl Limiter {
    /// Makes a limiter that shares budgets through the Redis at `url` once [`Limiter::share`] runs. All processes of
    /// a service must have the same `key`.
    pub fn new(url: &SecretString, key: Key32) -> Result<Self, RedisError> {
        Ok(Self(Arc::new(Inner {
            shared: Shared::new(url.expose_secret())?,
            names: KeyedHash::new(key),
            began: Instant::now(),
            buckets: Cache::builder().max_capacity(CAPACITY).time_to_idle(IDLE).build(),
            unreported: Mutex::default(),
            wake: Notify::new(),
        })))
    }

    /// Admits a request and counts it, or refuses it. A refused request is not counted.
    pub async fn take(&self, policy: Policy, who: Who) -> Verdict {
        let verdict = self.decide(policy, who).await;
        if !verdict.admitted {
            metrics::counter!("rate_limited_total", "class" => policy.class()).increment(1);
        }
        verdict
    }

    /// Returns the refusal that the next request would get by the counts of this process. Counts nothing.
    pub fn refusal(&self, policy: Policy, who: Who) -> Option<Verdict> {
        let bucket = self.0.buckets.get(&(policy.class(), who))?;
        let debt = lock(&bucket).debt(self.now());
        (!policy.fits(debt)).then(|| policy.verdict(debt, false))
    }

    /// Does the same as [`Limiter::take`] by the counts of this process alone, without waiting for Redis.
    pub fn take_here(&self, policy: Policy, who: Who) -> Verdict {
        let bucket = self.bucket(policy, who);
        let mut known = lock(&bucket);
        let now = self.now();
        let admitted = policy.fits(known.debt(now));
        if admitted {
            known.charge(now);
        } else {
            metrics::counter!("rate_limited_total", "class" => policy.class()).increment(1);
        }
        policy.verdict(known.debt(now), admitted)
    }

    fn bucket(&self, policy: Policy, who: Who) -> Arc<Mutex<Bucket>> {
        let new = || Arc::new(Mutex::new(Bucket::new(policy, self.0.shared.era())));
        self.0.buckets.get_with((policy.class(), who), new)
    }

    async fn decide(&self, policy: Policy, who: Who) -> Verdict {
        let shared = &self.0.shared;
        let bucket = self.bucket(policy, who);
        let asked = self.now();
        let report = {
            let mut known = lock(&bucket);
            let debt = known.debt(asked);
            if !policy.fits(debt) {
                return policy.verdict(debt, false);
            }
            let report = (known.unsure(asked) && shared.is_up()).then(|| known.report(asked, shared.era()));
            known.charge(asked);
            let Some(report) = report else {
                if known.owe_report() {
                    self.report_later(who, &bucket);
                }
                return policy.verdict(known.debt(asked), true);
            };
            report
        };
        let underway = Underway::new(&bucket, report);
        let question = Question { name: self.name(policy, who), policy, report, wanted: true };
        let answers = shared.ask(std::slice::from_ref(&question)).await;
        let Some([answer]) = answers.as_deref() else {
            // The connection to Redis was lost, and this process has admitted the request by its own counts.
            drop(underway);
            return policy.verdict(lock(&bucket).debt(self.now()), true);
        };
        let mut known = underway.heard();
        let now = self.now();
        if !answer.admitted {
            known.refund();
        }
        known.learn(answer.debt, asked, now);
        policy.verdict(known.debt(now), answer.admitted)
    }

    /// Reports admitted requests to Redis and takes over those of other processes, until `stop`.
    pub async fn share(self, stop: CancellationToken) {
        let inner = &self.0;
        inner.shared.reconnect().await;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = inner.wake.notified() => {}
            }
            tokio::time::sleep(COLLECT).await;
            inner.shared.reconnect().await;
            let unreported = std::mem::take(&mut *lock(&inner.unreported));
            for batch in unreported.chunks(BATCH) {
                self.exchange(batch).await;
            }
        }
    }

    async fn exchange(&self, batch: &[(Who, Arc<Mutex<Bucket>>)]) {
        let shared = &self.0.shared;
        let asked = self.now();
        let up = shared.is_up();
        let mut underway = Vec::with_capacity(batch.len());
        let mut questions = Vec::with_capacity(batch.len());
        for (who, bucket) in batch {
            let mut known = lock(bucket);
            known.unlist();
            // While Redis is unavailable nothing is reported; the first report afterwards is the whole debt.
            if up {
                let policy = known.policy();
                let report = known.report(asked, shared.era());
                underway.push(Underway::new(bucket, report));
                questions.push(Question { name: self.name(policy, *who), policy, report, wanted: false });
            }
        }
        if questions.is_empty() {
            return;
        }
        let answers = shared.ask(&questions).await;
        let now = self.now();
        // A report without an answer is dropped.
        for (underway, answer) in underway.into_iter().zip(answers.iter().flatten()) {
            underway.heard().learn(answer.debt, asked, now);
        }
    }

    fn report_later(&self, who: Who, bucket: &Arc<Mutex<Bucket>>) {
        lock(&self.0.unreported).push((who, Arc::clone(bucket)));
        self.0.wake.notify_one();
    }

    fn name(&self, policy: Policy, who: Who) -> String {
        let class = policy.class();
        // Half of the hash is more than enough to keep callers apart.
        let hash = self.0.names.hex(&format!("rate limit\0{who}"));
        format!("rate_limit:{class}:{}", &hash[..32])
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("callers", &self.0.buckets.entry_count()).finish_non_exhaustive()
    }
}

/// A report that was sent to Redis. If it is dropped before the answer, because the connection was lost or the
/// caller has gone, the next report of its bucket is the whole debt.
struct Underway<'a> {
    bucket: &'a Mutex<Bucket>,
    report: Option<Report>,
}

impl<'a> Underway<'a> {
    fn new(bucket: &'a Mutex<Bucket>, report: Report) -> Self {
        Self { bucket, report: Some(report) }
    }

    /// Returns the bucket, which then takes over the answer of Redis.
    fn heard(mut self) -> MutexGuard<'a, Bucket> {
        let mut known = lock(self.bucket);
        if let Some(report) = self.report.take() {
            known.settle(report);
        }
        known
    }
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        if let Some(report) = self.report.take() {
            let mut known = lock(self.bucket);
            known.settle(report);
            known.forget_era();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while one is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use test_support::Throwaway;

    use super::*;

    fn alone() -> Limiter {
        // Never connected: as if Redis had been away from the start.
        Limiter::new(&"redis://127.0.0.1:9".into(), Key32::from_bytes([7; 32])).unwrap()
    }

    #[tokio::test]
    async fn without_redis_the_request_after_the_last_is_refused() {
        let (limiter, policy) = (alone(), Policy::new("read", 600, Duration::from_hours(1)));
        let (one, other) = (Who::Caller("user", 1), Who::Caller("user", 2));
        for _ in 0..600 {
            assert!(limiter.take(policy, one).await.admitted);
        }
        assert!(!limiter.take(policy, one).await.admitted);
        assert!(limiter.refusal(policy, one).is_some());
        assert!(limiter.refusal(policy, other).is_none());
        assert!(limiter.take(policy, other).await.admitted, "callers have budgets of their own");
        assert!(limiter.take(Policy::new("write", 1, Duration::from_hours(1)), one).await.admitted, "so have classes");
    }

    #[tokio::test]
    async fn what_a_request_reported_that_was_given_up_is_reported_anew() {
        let valkey = Throwaway::valkey().await;
        let limiter = Limiter::new(&valkey.url().into(), Key32::from_bytes([7; 32])).unwrap();
        let (policy, who) = (Policy::new("read", 600, Duration::from_hours(1)), Who::Caller("user", 1));
        assert!(limiter.take(policy, who).await.admitted, "nobody is asked before there is a connection");
        let shared = &limiter.0.shared;
        shared.reconnect().await;
        assert!(shared.is_up());
        valkey.stop_answering();
        assert!(limiter.take(policy, who).now_or_never().is_none(), "Redis is asked first");

        let bucket = limiter.0.buckets.get(&(policy.class(), who)).unwrap();
        let mut known = lock(&bucket);
        assert_eq!(known.unanswered(), 0, "nobody waits for this answer any more");
        let report = known.report(limiter.now(), shared.era());
        assert!(report.known > 0, "Redis may not have heard of two requests, and does not now: {report:?}");
    }

    #[test]
    fn names_show_nobody() {
        let limiter = alone();
        let policy = Policy::new("address", 1, Duration::from_mins(1));
        let who = Who::address("203.0.113.7".parse().unwrap());
        let name = limiter.name(policy, who);
        assert!(name.starts_with("rate_limit:address:") && !name.contains("203"), "{name}");
        assert_eq!(name, limiter.name(policy, who));
    }

    #[test]
    fn one_subscriber_of_ipv6_is_one_caller() {
        let who = |text: &str| Who::address(text.parse().unwrap());
        assert_eq!(who("2001:db8::1"), who("2001:db8::ffff:1"));
        assert_ne!(who("2001:db8::1"), who("2001:db8:0:1::1"));
        assert_eq!(who("::ffff:192.0.2.1"), who("192.0.2.1"));
    }
}
