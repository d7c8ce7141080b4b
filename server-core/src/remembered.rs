//! What processes remember of the database, so that a hot caller costs no query.
//!
//! Nothing is remembered for long, nothing while this process doesn't hear of changes, and a load
//! that began before something was forgotten is not kept (generation counter).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::sync::Cache;

use crate::identity::Remembers;

/// Nothing is older than this, even if no word of its change ever arrives.
pub(crate) const TIME_TO_LIVE: Duration = Duration::from_secs(30);
/// How many values are remembered at most, of each kind.
pub(crate) const CAPACITY: u64 = 100_000;

/// Values by the text that they are looked up by.
pub(crate) struct Remembered<V> {
    values: Cache<String, Arc<V>>,
    generation: AtomicU64,
    hearing: AtomicBool,
}

/// The moment at which a load began.
#[derive(Clone, Copy)]
pub(crate) struct Begun(u64);

impl<V: Send + Sync + 'static> Remembered<V> {
    /// Nothing is remembered at first.
    pub(crate) fn new() -> Self {
        Self {
            values: Cache::builder().max_capacity(CAPACITY).time_to_live(TIME_TO_LIVE).build(),
            generation: AtomicU64::new(0),
            hearing: AtomicBool::new(false),
        }
    }

    /// The value, if it is remembered.
    pub(crate) fn get(&self, key: &str) -> Option<Arc<V>> {
        self.values.get(key)
    }

    /// To be called before a value is loaded.
    pub(crate) fn begin(&self) -> Begun {
        Begun(self.generation.load(Ordering::SeqCst))
    }

    /// Keeps a loaded value, unless something was forgotten meanwhile.
    pub(crate) fn keep(&self, begun: Begun, key: &str, value: &Arc<V>) {
        let outdated = || self.generation.load(Ordering::SeqCst) != begun.0;
        if !self.hearing.load(Ordering::SeqCst) || outdated() {
            return;
        }
        self.values.insert(key.to_owned(), Arc::clone(value));
        // What changed between the load and the insert has already been announced: undo.
        if outdated() {
            self.values.invalidate(key);
        }
    }

    /// Forgets a value, and keeps none whose load is under way.
    pub(crate) fn forget(&self, key: Option<&str>) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        if let Some(key) = key {
            self.values.invalidate(key);
        }
    }
}

/// What changes seldom is forgotten as a whole, so that it need not be known which value an id is.
impl<V: Send + Sync + 'static> Remembers for Remembered<V> {
    fn changed(&self, _id: &str) {
        self.forget_all();
    }

    fn forget_all(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.values.invalidate_all();
    }

    fn hearing(&self, hearing: bool) {
        self.hearing.store(hearing, Ordering::SeqCst);
    }
}
