//! In-process cache of database rows, so that a frequent caller costs no query.
//!
//! Entries live for a short time, none is kept while this process receives no notifications of changes, and a value
//! whose load began before an invalidation is not kept (generation counter).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::sync::Cache;

use crate::identity::Remembers;

/// Longest life of an entry, even if the notification of its change never arrives.
pub(crate) const TIME_TO_LIVE: Duration = Duration::from_secs(30);
/// Largest number of entries in each cache.
pub(crate) const CAPACITY: u64 = 100_000;

/// Cached values, by the text that they are looked up by.
pub(crate) struct Remembered<V> {
    values: Cache<String, Arc<V>>,
    generation: AtomicU64,
    hearing: AtomicBool,
}

/// Generation at which a load began.
#[derive(Clone, Copy)]
pub(crate) struct Begun(u64);

impl<V: Send + Sync + 'static> Remembered<V> {
    /// Builds an empty cache.
    pub(crate) fn new() -> Self {
        Self {
            values: Cache::builder().max_capacity(CAPACITY).time_to_live(TIME_TO_LIVE).build(),
            generation: AtomicU64::new(0),
            hearing: AtomicBool::new(false),
        }
    }

    /// Returns the value, if it is cached.
    pub(crate) fn get(&self, key: &str) -> Option<Arc<V>> {
        self.values.get(key)
    }

    /// Marks the start of a load. Call it before a value is loaded.
    pub(crate) fn begin(&self) -> Begun {
        Begun(self.generation.load(Ordering::SeqCst))
    }

    /// Caches a loaded value, unless an entry was invalidated since the load began.
    pub(crate) fn keep(&self, begun: Begun, key: &str, value: &Arc<V>) {
        let outdated = || self.generation.load(Ordering::SeqCst) != begun.0;
        if !self.hearing.load(Ordering::SeqCst) || outdated() {
            return;
        }
        self.values.insert(key.to_owned(), Arc::clone(value));
        // A change between the check and the insert has already been announced, so the insert is undone.
        if outdated() {
            self.values.invalidate(key);
        }
    }

    /// Invalidates a value, and every value whose load is in progress.
    pub(crate) fn forget(&self, key: Option<&str>) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        if let Some(key) = key {
            self.values.invalidate(key);
        }
    }
}

/// Rows that seldom change are invalidated all together, so the cache need not know which value an id belongs to.
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
