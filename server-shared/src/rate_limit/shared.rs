//! The budgets in Redis, and what happens when it is away.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use redis::{AsyncConnectionConfig, Client, RedisError, aio::MultiplexedConnection};

use super::{Policy, bucket::Report};

/// How long Redis may take before requests go on without it.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long it is then left alone.
const LEFT_ALONE: Duration = Duration::from_secs(2);

/// The sums of [`super::gcra`] where all processes meet. The key holds the microsecond, by the clock of
/// Redis, at which the debt is paid off, and lives until then.
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

/// A question to Redis: here is what I know, and may one more be admitted?
#[derive(Debug)]
pub(super) struct Question {
    pub(super) name: String,
    pub(super) policy: Policy,
    pub(super) report: Report,
    /// Whether a request waits to be admitted.
    pub(super) wanted: bool,
}

/// What Redis said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    /// Whether the waiting request was admitted, and counted.
    pub(super) admitted: bool,
    /// The debt afterwards, in microseconds.
    pub(super) debt: u64,
}

/// The way to Redis, open or closed.
#[derive(Debug)]
pub(super) struct Shared {
    client: Client,
    link: Mutex<Link>,
    /// Counts the connections: what was told by one may be forgotten by the next. It is the gain that
    /// counts and not the loss, so that what begins in an outage belongs to an era that is over then.
    era: AtomicU64,
}

#[derive(Debug, Clone)]
enum Link {
    Up(MultiplexedConnection),
    /// Not to be tried before this moment.
    Away(Instant),
}

impl Shared {
    /// Nothing is sent before [`Shared::reconnect`].
    pub(super) fn new(url: &str) -> Result<Self, RedisError> {
        let link = Mutex::new(Link::Away(Instant::now()));
        Ok(Self { client: Client::open(url)?, link, era: AtomicU64::new(0) })
    }

    /// Which era it is; a new one begins with each connection to Redis.
    pub(super) fn era(&self) -> u64 {
        self.era.load(Ordering::Acquire)
    }

    /// Whether it makes sense to ask.
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
            // Said once, when it was lost; a service that starts without Redis says so in /ready.
            Ok(Err(_)) | Err(_) => *self.lock() = Link::Away(Instant::now() + LEFT_ALONE),
        }
    }

    /// Asks everything in one message; nothing when Redis is away or goes away meanwhile.
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

    /// Opens the way. The era changes under the link's lock: whoever sees the one sees the other.
    fn gain(&self, connection: MultiplexedConnection) {
        let mut link = self.lock();
        self.era.fetch_add(1, Ordering::AcqRel);
        *link = Link::Up(connection);
        tracing::info!("rate limits are shared through Redis");
    }

    /// Closes the way for a while. Of many requests that find out at once, one says so.
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
