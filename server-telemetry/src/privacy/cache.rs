//! What people agreed to, remembered for a moment.
//!
//! Only agreement is remembered, never its absence: who has just agreed, here or at another instance,
//! is counted from the next request on. A withdrawal, an exclusion or an erasure takes effect here
//! before it is answered, and at other instances through Redis; where nothing can be heard from
//! Redis, nothing is remembered. An entry lives 30 seconds whatever happens.

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
/// Says that everybody is to be forgotten.
const EVERYBODY: &str = "*";
const CAPACITY: u64 = 100_000;
/// Pause before Redis is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// A person in an organization.
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

/// The purposes that somebody agreed to and is not excluded from.
pub(crate) type Granted = [bool; Purpose::ALL.len()];

/// Remembers agreement.
#[derive(Debug)]
pub(crate) struct ConsentCache {
    entries: Cache<Subject, Granted>,
    state: Mutex<State>,
    redis: Redis,
}

#[derive(Debug, Default)]
struct State {
    /// Raised by each invalidation: what was loaded before it is not stored after it.
    generation: u64,
    /// Whether withdrawals at other instances are heard of.
    listening: bool,
}

impl ConsentCache {
    /// Empty, and remembering nothing until [`ConsentCache::listen`] hears Redis.
    pub(crate) fn new(redis: Redis) -> Self {
        let entries = Cache::builder().max_capacity(CAPACITY).time_to_live(CONSENT_LIFETIME).build();
        Self { entries, state: Mutex::default(), redis }
    }

    /// Whether `subject` is known to have agreed to `purpose`.
    pub(crate) fn knows(&self, subject: Subject, purpose: Purpose) -> bool {
        self.entries.get(&subject).is_some_and(|granted| granted[purpose as usize])
    }

    /// To be taken before loading, and given to [`ConsentCache::remember`].
    pub(crate) fn generation(&self) -> u64 {
        self.state().generation
    }

    /// Remembers what was loaded, unless something was forgotten since `generation` was taken.
    pub(crate) fn remember(&self, subject: Subject, granted: Granted, generation: u64) {
        let state = self.state();
        if state.listening && state.generation == generation {
            self.entries.insert(subject, granted);
        }
    }

    /// Forgets `subject` here and tells the other instances.
    pub(crate) async fn forget(&self, subject: Subject) {
        self.forget_here(subject);
        self.tell(&subject.message()).await;
    }

    /// Forgets everybody here and at the other instances: for what is rare and may concern a person in
    /// any organization.
    pub(crate) async fn forget_everybody(&self) {
        self.forget_all();
        self.tell(EVERYBODY).await;
    }

    async fn tell(&self, message: &str) {
        if let Err(error) = self.redis.publish(CHANNEL, message).await {
            tracing::warn!(%error, "other instances were not told of a decision on consent");
        }
    }

    /// Starts to hear what other instances forget, and goes on until shutdown.
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

    /// Hears Redis until the connection ends.
    async fn hear(&self, stop: &CancellationToken) {
        let mut subscription = match self.redis.subscribe(CHANNEL).await {
            Ok(subscription) => subscription,
            Err(error) => {
                tracing::warn!(%error, "consent is not remembered while Redis can't be heard");
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
                // Everybody, or something that this version doesn't understand.
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

    /// Nothing is heard any more, so nothing may be remembered.
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
        // Nothing listens there; only what happens in the process is looked at.
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
