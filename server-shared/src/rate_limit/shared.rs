//! Budgets in Redis, and the state of the connection to it.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use redis::{AsyncConnectionConfig, Client, RedisError, aio::MultiplexedConnection};

use super::{Policy, bucket::Report};

/// Longest wait for Redis before requests are decided without it.
const PATIENCE: Duration = Duration::from_millis(200);
/// Time for which Redis is not asked after that.
const LEFT_ALONE: Duration = Duration::from_secs(2);

/// Computes [`super::gcra`] for all processes. The key holds the microsecond, by the clock of Redis, at which the debt
/// is paid off, and expires then.
const SCRIPT: &str = r"
local interval, capacity = tonumber(ARGV[1]), tonumber(ARGV[2])
local known, counted, wanted = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local paid = tonumber(redis.call('GET', KEYS[1]) or 0)
local debt = math.max(paid - now, known, 0) + counted * interval
local admitted = 0
if wanted == 1 and debt + interval <= capacity then
  debt = debt + interval
  admitted = 1
end
if debt > 0 then
  redis.call('SET', KEYS[1], string.format('%.0f', now + debt), 'PX', math.ceil(debt / 1000))
end
return {admitted, debt}
";

/// A report to Redis, and the question whether one more request is admitted.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) name: String,
    pub(super) policy: Policy,
    pub(super) report: Report,
    /// `true` if a request waits for the answer.
    pub(super) wanted: bool,
}

/// Answer of Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    /// `true` if the waiting request was admitted and counted.
    pub(super) admitted: bool,
    /// The debt afterwards, in microseconds.
    pub(super) debt: u64,
}

/// Connection to Redis, open or closed.
#[derive(Debug)]
pub(super) struct Shared {
    client: Client,
    link: Mutex<Link>,
    /// Counts the connections, because Redis may have lost its memory between two of them. It grows when a
    /// connection is made, not when one is lost, so that work begun in an outage belongs to the era before.
    era: AtomicU64,
}

#[derive(Debug, Clone)]
enum Link {
    Up(MultiplexedConnection),
    /// No attempt to connect is made before this time.
    Away(Instant),
}

impl Shared {
    /// Makes a closed connection; nothing is sent before [`Shared::reconnect`].
    pub(super) fn new(url: &str) -> Result<Self, RedisError> {
        let link = Mutex::new(Link::Away(Instant::now()));
        Ok(Self { client: Client::open(url)?, link, era: AtomicU64::new(0) })
    }

    /// Returns the present era; a new one begins with each connection to Redis.
    pub(super) fn era(&self) -> u64 {
        self.era.load(Ordering::Acquire)
    }

    /// Returns true if the connection is open.
    pub(super) fn is_up(&self) -> bool {
        matches!(*self.lock(), Link::Up(_))
    }

    /// Connects again, unless that failed a moment ago.
    pub(super) async fn reconnect(&self) {
        if !matches!(*self.lock(), Link::Away(until) if until <= Instant::now()) {
            return;
        }
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(PATIENCE)).set_response_timeout(Some(PATIENCE));
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        match tokio::time::timeout(PATIENCE, connecting).await {
            Ok(Ok(connection)) => self.gain(connection),
            // Logged once, when the connection was lost; a service that starts without Redis reports it in /ready.
            Ok(Err(_)) | Err(_) => *self.lock() = Link::Away(Instant::now() + LEFT_ALONE),
        }
    }

    /// Asks all questions in one message. Returns `None` if the connection is closed or lost meanwhile.
    pub(super) async fn ask(&self, questions: &[Question]) -> Option<Vec<Answer>> {
        let Link::Up(mut connection) = self.lock().clone() else { return None };
        let mut pipe = redis::pipe();
        for question in questions {
            pipe.cmd("EVAL")
                .arg(SCRIPT)
                .arg(1)
                .arg(&question.name)
                .arg(question.policy.interval())
                .arg(question.policy.capacity())
                .arg(question.report.known)
                .arg(question.report.counted)
                .arg(u8::from(question.wanted));
        }
        let asked = tokio::time::timeout(PATIENCE, pipe.query_async::<Vec<(u8, u64)>>(&mut connection)).await;
        let fault = match asked {
            Ok(Ok(answers)) => {
                let answer = |(admitted, debt)| Answer { admitted: admitted == 1, debt };
                return Some(answers.into_iter().map(answer).collect());
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {PATIENCE:?}"),
        };
        self.lose(&fault);
        None
    }

    /// Opens the connection. The era changes under the link's lock, so both change together for every reader.
    fn gain(&self, connection: MultiplexedConnection) {
        let mut link = self.lock();
        self.era.fetch_add(1, Ordering::AcqRel);
        *link = Link::Up(connection);
        tracing::info!("rate limits are shared through Redis");
    }

    /// Closes the connection for a while. Of many requests that fail at once, one logs it.
    fn lose(&self, fault: &str) {
        let mut link = self.lock();
        if matches!(*link, Link::Up(_)) {
            *link = Link::Away(Instant::now() + LEFT_ALONE);
            tracing::warn!(fault, "Redis is away; each process keeps the rate limits by itself meanwhile");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Link> {
        // Nothing panics while it is held.
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;
    use test_support::Throwaway;

    use super::*;

    #[test]
    fn redis_does_the_same_sums() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let valkey = runtime.block_on(Throwaway::valkey());
        let shared = Shared::new(&valkey.url()).unwrap();
        runtime.block_on(shared.reconnect());
        // A day a request: time pays off next to nothing while the test runs.
        let policy = Policy::new("any", 20, Duration::from_hours(20 * 24));
        let interval = policy.interval();
        let case = Cell::new(0);
        let steps = proptest::collection::vec((0_u64..25, 0_u64..3, any::<bool>()), 1..30);
        proptest!(ProptestConfig::with_cases(64), |(steps in steps)| {
            case.set(case.get() + 1);
            let mut debt = 0;
            for (known, counted, wanted) in steps {
                let report = Report { known: known * interval, counted, told: counted };
                let question = Question { name: format!("case:{}", case.get()), policy, report, wanted };
                let answer = runtime.block_on(shared.ask(&[question])).unwrap()[0];
                debt = debt.max(report.known) + counted * interval;
                let admitted = wanted && policy.fits(debt);
                debt += if admitted { interval } else { 0 };
                prop_assert_eq!(answer.admitted, admitted);
                prop_assert_eq!(answer.debt.div_ceil(interval) * interval, debt);
            }
        });
    }

    #[tokio::test]
    async fn what_is_lost_is_left_alone_for_a_while_and_a_new_era_begins_when_it_is_back() {
        let mut valkey = Throwaway::valkey().await;
        let shared = Shared::new(&valkey.url()).unwrap();
        shared.reconnect().await;
        assert_eq!((shared.is_up(), shared.era()), (true, 1));
        valkey.kill();
        let policy = Policy::new("any", 20, Duration::from_mins(1));
        let report = Report { known: 0, counted: 1, told: 1 };
        let question = Question { name: "a".to_owned(), policy, report, wanted: false };
        let before = Instant::now();
        assert_eq!(shared.ask(&[question]).await, None);
        assert_eq!((shared.is_up(), shared.era()), (false, 1), "an outage belongs to the era before it");
        let left_alone = matches!(*shared.lock(), Link::Away(until) if until >= before + LEFT_ALONE);
        assert!(left_alone, "Redis is tried again sooner than {LEFT_ALONE:?} after it was lost");
        valkey.start().await;
        // So far away that no machine is slow enough to get there.
        *shared.lock() = Link::Away(Instant::now() + Duration::from_hours(1));
        shared.reconnect().await;
        assert_eq!((shared.is_up(), shared.era()), (false, 1), "too early");
        *shared.lock() = Link::Away(Instant::now());
        shared.reconnect().await;
        assert_eq!((shared.is_up(), shared.era()), (true, 2));
    }
}
