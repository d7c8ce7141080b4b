//! Cache of people's consent.
//!
//! The cache holds consent only, never its absence: the events of a person who has just consented, here or at
//! another instance, are stored from the next request on. A withdrawal, an exclusion or an erasure takes effect
//! here before it is answered, and at other instances through Redis; while an instance does not receive
//! messages from Redis, it caches nothing. An entry lives for 30 seconds at most.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bb8_redis::redis::Msg;
use futures_util::StreamExt;
use moka::sync::Cache;
use server_shared::shutdown::Shutdown;
use tokio_util::sync::CancellationToken;

use super::model::Purpose;
use crate::{config::CONSENT_LIFETIME, identity::Member, storage::redis::Redis};

const CHANNEL: &str = "telemetry:consent";
/// Message that removes everybody from the caches.
const EVERYBODY: &str = "*";
const CAPACITY: u64 = 100_000;
/// Pause before the cache connects to Redis again.
const RETRY: Duration = Duration::from_secs(1);

/// Person in an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Subject {
    pub organization_id: i64,
    pub user_id: i64,
}

impl From<&Member> for Subject {
    fn from(member: &Member) -> Self {
        Self { organization_id: member.organization_id, user_id: member.user_id }
    }
}

impl Subject {
    fn message(self) -> String {
        format!("{}:{}", self.organization_id, self.user_id)
    }

    fn from_message(message: &str) -> Option<Self> {
        let (organization_id, user_id) = message.split_once(':')?;
        Some(Self { organization_id: organization_id.parse().ok()?, user_id: user_id.parse().ok()? })
    }
}

/// Purposes that a person consented to, for a person who is not excluded.
pub(crate) type Granted = [bool; Purpose::ALL.len()];

/// Caches consent.
#[derive(Debug)]
pub(crate) struct ConsentCache {
    entries: Cache<Subject, Granted>,
    state: Mutex<State>,
    redis: Redis,
}

#[derive(Debug, Default)]
struct State {
    /// Number of invalidations: what was loaded before one is not stored after it.
    generation: u64,
    /// `true` while invalidations of other instances are received.
    listening: bool,
}

impl ConsentCache {
    /// Makes an empty cache, which stores nothing until [`ConsentCache::listen`] receives messages from Redis.
    pub(crate) fn new(redis: Redis) -> Self {
        let entries = Cache::builder().max_capacity(CAPACITY).time_to_live(CONSENT_LIFETIME).build();
        Self { entries, state: Mutex::default(), redis }
    }

    /// Returns `true` if the cache knows that `subject` has consented to `purpose`.
    pub(crate) fn knows(&self, subject: Subject, purpose: Purpose) -> bool {
        self.entries.get(&subject).is_some_and(|granted| granted[purpose as usize])
    }

    /// Returns the generation, which is taken before loading and handed to [`ConsentCache::remember`].
    pub(crate) fn generation(&self) -> u64 {
        self.state().generation
    }

    /// Caches loaded consents, unless something was invalidated since `generation` was taken.
    pub(crate) fn remember(&self, subject: Subject, granted: Granted, generation: u64) {
        let state = self.state();
        if state.listening && state.generation == generation {
            self.entries.insert(subject, granted);
        }
    }

    /// Removes `subject` here, and from the caches of the other instances.
    pub(crate) async fn forget(&self, subject: Subject) {
        self.forget_here(subject);
        self.tell(&subject.message()).await;
    }

    /// Removes everybody here and from the caches of the other instances: for rare events that may affect a person
    /// in any organization.
    pub(crate) async fn forget_everybody(&self) {
        self.forget_all();
        self.tell(EVERYBODY).await;
    }

    async fn tell(&self, message: &str) {
        if let Err(error) = self.redis.publish(CHANNEL, message).await {
            tracing::warn!(%error, "a decision on consent could not be published to other instances");
        }
    }

    /// Starts to receive the invalidations of other instances, and goes on until shutdown.
    pub(crate) fn listen(self: &Arc<Self>, shutdown: &Shutdown) {
        let cache = Arc::clone(self);
        shutdown.spawn("consent-cache", |stop| async move {
            while !stop.is_cancelled() {
                cache.hear(&stop).await;
                cache.deafen();
                tokio::select! {
                    () = tokio::time::sleep(RETRY) => {}
                    () = stop.cancelled() => {}
                }
            }
        });
    }

    /// Receives messages from Redis until the connection ends.
    async fn hear(&self, stop: &CancellationToken) {
        let mut subscription = match self.redis.subscribe(CHANNEL).await {
            Ok(subscription) => subscription,
            Err(error) => {
                tracing::warn!(%error, "consent is not cached while no messages are received from Redis");
                return;
            }
        };
        self.state().listening = true;
        let mut messages = subscription.on_message();
        loop {
            let message = tokio::select! {
                message = messages.next() => message,
                () = stop.cancelled() => return,
            };
            let Some(message) = message else { return };
            match subject(&message) {
                Some(subject) => self.forget_here(subject),
                // Either everybody, or a message of a version that this one does not know.
                None => self.forget_all(),
            }
        }
    }

    fn forget_here(&self, subject: Subject) {
        let mut state = self.state();
        state.generation += 1;
        self.entries.invalidate(&subject);
    }

    fn forget_all(&self) {
        let mut state = self.state();
        state.generation += 1;
        self.entries.invalidate_all();
    }

    /// Empties the cache and stops caching, because invalidations are no longer received.
    fn deafen(&self) {
        self.state().listening = false;
        self.forget_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn subject(message: &Msg) -> Option<Subject> {
    Subject::from_message(&message.get_payload::<String>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: Subject = Subject { organization_id: 1, user_id: 7 };
    const ALL: Granted = [true; 3];

    fn cache(listening: bool) -> ConsentCache {
        // Address without a server: the test looks only at this process.
        let cache = ConsentCache::new(Redis::new(&"redis://127.0.0.1:1".to_owned().into()).unwrap());
        cache.state().listening = listening;
        cache
    }

    #[test]
    fn messages_name_a_subject() {
        assert_eq!(Subject::from_message(&ANA.message()), Some(ANA));
        assert_eq!(Subject::from_message("1"), None);
        assert_eq!(Subject::from_message("1:x"), None);
        assert_eq!(Subject::from_message(EVERYBODY), None);
    }

    #[tokio::test]
    async fn only_agreement_is_known() {
        let cache = cache(true);
        cache.remember(ANA, [true, false, true], cache.generation());
        assert!(cache.knows(ANA, Purpose::Analytics) && cache.knows(ANA, Purpose::Pose));
        assert!(!cache.knows(ANA, Purpose::Media));
        assert!(!cache.knows(Subject { user_id: 8, ..ANA }, Purpose::Analytics));
    }

    #[tokio::test]
    async fn what_was_loaded_before_an_invalidation_is_not_remembered() {
        let cache = cache(true);
        let generation = cache.generation();
        cache.forget_here(ANA);
        cache.remember(ANA, ALL, generation);
        assert!(!cache.knows(ANA, Purpose::Analytics));
    }

    #[tokio::test]
    async fn nothing_is_remembered_while_nothing_is_heard() {
        let deaf = cache(false);
        deaf.remember(ANA, ALL, deaf.generation());
        assert!(!deaf.knows(ANA, Purpose::Analytics));
        let deafened = cache(true);
        deafened.remember(ANA, ALL, deafened.generation());
        assert!(deafened.knows(ANA, Purpose::Analytics));
        deafened.deafen();
        assert!(!deafened.knows(ANA, Purpose::Analytics));
    }
}
