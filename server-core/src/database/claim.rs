//! An `Idempotency-Key` on its way through the transaction it belongs to.
//!
//! The key's row is inserted by the message that opens the transaction, so that another request with
//! the same key waits for this one to end. What the service then commits is held back until the answer
//! is known: change, audit and answer are committed together, or not at all. A second write of the same
//! request joins the transaction of the first.
//!
//! A transaction finds the claim of its request by the request's id: nothing between the gate and the
//! database has to know of it.

use std::{
    collections::HashMap,
    fmt,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use uuid::Uuid;

use super::{DatabaseError, broken_constraint, write::Held};

/// How long a request waits for another one with the same key.
const WAIT: &str = "5s";
/// `lock_not_available`: that was too long.
const LOCK_TIMEOUT: &str = "55P03";

/// The claims of requests under way in this process, by the id of the request. Clones are the same claims.
#[derive(Debug, Clone, Default)]
pub(super) struct Claims(Arc<Mutex<HashMap<String, Claim>>>);

impl Claims {
    /// Adds a claim, which is found until what this returns is dropped.
    pub(super) fn enter(&self, request_id: &str, claim: Claim) -> Claimed {
        self.lock().insert(request_id.to_owned(), claim.clone());
        Claimed(Arc::new(Entry { claims: self.clone(), request_id: request_id.to_owned(), claim }))
    }

    /// The claim of a request.
    pub(super) fn of(&self, request_id: &str) -> Option<Claim> {
        self.lock().get(request_id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Claim>> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A claim that the transactions of its request find until the last clone of this is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Claimed(Arc<Entry>);

#[derive(Debug)]
struct Entry {
    claims: Claims,
    request_id: String,
    claim: Claim,
}

impl Deref for Claimed {
    type Target = Claim;

    fn deref(&self) -> &Claim {
        &self.0.claim
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.claims.lock().remove(&self.request_id);
    }
}

/// A request's key. Clones are the same claim.
#[derive(Debug, Clone)]
pub(crate) struct Claim(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: Uuid,
    organization: i64,
    key_hash: Vec<u8>,
    request_hash: RequestHash,
    progress: Mutex<Progress>,
}

/// Hash by which a request is recognized, computed once its body has been read: by the time that it writes.
pub(crate) struct RequestHash(Box<dyn Fn() -> Vec<u8> + Send + Sync>);

impl RequestHash {
    /// The hash that `of` computes.
    pub(crate) fn new(of: impl Fn() -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self(Box::new(of))
    }

    /// Computes the hash of what has been read so far.
    pub(crate) fn compute(&self) -> Vec<u8> {
        self.0()
    }
}

impl fmt::Debug for RequestHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHash").finish_non_exhaustive()
    }
}

#[derive(Debug)]
enum Progress {
    /// Nothing has been written.
    Open,
    /// A transaction is open.
    Begun,
    /// The service has committed; the transaction waits for the answer.
    Held(Box<Held>),
    /// Another request with the key was first.
    Taken,
    /// Another request with the key is still under way.
    Waited,
    /// The transaction ended when a second write was to join it: nothing of the request is left.
    Lost,
    /// Committed with its answer.
    Done,
}

/// How far a claim got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClaimState {
    /// Nothing to commit: the request wrote nothing, or failed.
    Nothing,
    /// Something to commit together with the answer.
    Held,
    /// Another request with the key was first.
    Taken,
    /// Another request with the key is still under way.
    Waited,
    /// The transaction has ended: what the service believes to be committed has been rolled back.
    Lost,
}

/// The answer as it is stored.
#[derive(Debug)]
pub(crate) struct SealedAnswer {
    pub(crate) status: u16,
    pub(crate) secret: bool,
    pub(crate) wrapped_key: Vec<u8>,
    pub(crate) answer: Vec<u8>,
}

impl Claim {
    /// A key of `organization`, 0 for none.
    pub(crate) fn new(organization: i64, key_hash: Vec<u8>, request_hash: RequestHash) -> Self {
        let (id, progress) = (Uuid::now_v7(), Mutex::new(Progress::Open));
        Self(Arc::new(Inner { id, organization, key_hash, request_hash, progress }))
    }

    /// The id of the row.
    pub(crate) fn id(&self) -> Uuid {
        self.0.id
    }

    /// The organization it belongs to, 0 for none.
    pub(crate) fn organization(&self) -> i64 {
        self.0.organization
    }

    /// Keyed hash by which the key is found.
    pub(crate) fn key_hash(&self) -> &[u8] {
        &self.0.key_hash
    }

    /// Hash by which the request is recognized.
    pub(crate) fn request_hash(&self) -> Vec<u8> {
        self.0.request_hash.compute()
    }

    /// How far it got.
    pub(crate) fn state(&self) -> ClaimState {
        match *self.lock() {
            Progress::Open | Progress::Begun | Progress::Done => ClaimState::Nothing,
            Progress::Held(_) => ClaimState::Held,
            Progress::Taken => ClaimState::Taken,
            Progress::Waited => ClaimState::Waited,
            Progress::Lost => ClaimState::Lost,
        }
    }

    /// Commits what the service has held back, together with the answer: one round trip.
    pub(crate) async fn commit(&self, answer: SealedAnswer) -> Result<(), DatabaseError> {
        let Progress::Held(held) = std::mem::replace(&mut *self.lock(), Progress::Begun) else {
            return Err(DatabaseError::ended());
        };
        let sql = format!(
            "update idempotency_keys set status = {}, secret = {}, wrapped_key = '\\x{}', answer = '\\x{}' \
             where id = '{}';",
            answer.status,
            answer.secret,
            hex::encode(answer.wrapped_key),
            hex::encode(answer.answer),
            self.0.id
        );
        held.commit(&sql).await?;
        *self.lock() = Progress::Done;
        Ok(())
    }

    /// Drops what was held back: it rolls back, and the key is free again.
    pub(crate) fn abandon(&self) {
        *self.lock() = Progress::Begun;
    }

    /// Returns how the transaction that comes next has to begin.
    pub(super) fn begin(&self) -> Beginning {
        let mut progress = self.lock();
        match std::mem::replace(&mut *progress, Progress::Begun) {
            Progress::Open => Beginning::Insert(Hold(self.clone()), self.insert()),
            Progress::Held(held) => Beginning::Join(Hold(self.clone()), held),
            other => {
                *progress = other;
                Beginning::Without
            }
        }
    }

    /// Takes the key. Everything in it is a number, a UUID or hexadecimal.
    fn insert(&self) -> String {
        let Inner { id, organization, key_hash, request_hash, .. } = &*self.0;
        let (key_hash, request_hash) = (hex::encode(key_hash), hex::encode(request_hash.compute()));
        format!(
            " set local lock_timeout = '{WAIT}'; \
             delete from idempotency_keys where organization_id = {organization} and key_hash = '\\x{key_hash}' \
             and expires_at <= now(); \
             insert into idempotency_keys (id, organization_id, key_hash, request_hash) \
             values ('{id}', {organization}, '\\x{key_hash}', '\\x{request_hash}'); \
             set local lock_timeout to default;"
        )
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        // Nothing panics while it is held.
        self.0.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a transaction begins.
pub(super) enum Beginning {
    /// With the key's row.
    Insert(Hold, String),
    /// As a part of the transaction of the request's first write.
    Join(Hold, Box<Held>),
    /// As if there were no key.
    Without,
}

/// A transaction's hold on its claim. Dropped without [`Hold::keep`], the transaction has rolled back
/// and the next one may try.
#[derive(Debug)]
pub(super) struct Hold(Claim);

impl Hold {
    /// Holds the transaction back until there is an answer.
    pub(super) fn keep(self, held: Held) {
        *self.0.lock() = Progress::Held(Box::new(held));
    }

    /// Notes that the transaction has ended with what it held.
    pub(super) fn lost(self) {
        *self.0.lock() = Progress::Lost;
    }

    /// Notes why the key could not be had, if that is what the error says.
    pub(super) fn refused(self, error: &sqlx::Error) {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        if broken_constraint(error) == Some("idempotency_keys_key") {
            *self.0.lock() = Progress::Taken;
        } else if code.as_deref() == Some(LOCK_TIMEOUT) {
            *self.0.lock() = Progress::Waited;
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut progress = self.0.lock();
        if matches!(*progress, Progress::Begun) {
            *progress = Progress::Open;
        }
    }
}
