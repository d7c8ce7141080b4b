//! Idempotency keys inside transactions.
//!
//! The message that opens a transaction also inserts the row of the key, so that another request with the same key
//! waits for this one to end. When the service commits, the commit is held back until the answer is known: change,
//! audit entry and answer are committed together or not at all. A second write of the same request joins the
//! transaction of the first.
//!
//! A transaction finds the claim by the id of its request, so no code between the request gate and the database has to
//! pass it on.

use std::{
    collections::HashMap,
    fmt,
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use uuid::Uuid;

use super::{DatabaseError, broken_constraint, write::PendingCommit};

/// Longest time for which a request waits for another one with the same key.
const WAIT: &str = "5s";
/// SQLSTATE `lock_not_available`: the wait took longer than [`WAIT`].
const LOCK_TIMEOUT: &str = "55P03";

/// Claims of the requests in progress in this process, by request id. Clones share the same claims.
#[derive(Debug, Clone, Default)]
pub(super) struct Claims(Arc<Mutex<HashMap<String, Claim>>>);

impl Claims {
    /// Adds a claim. It is found until the returned value is dropped.
    pub(super) fn enter(&self, request_id: &str, claim: Claim) -> Claimed {
        self.lock().insert(request_id.to_owned(), claim.clone());
        Claimed(Arc::new(Entry { claims: self.clone(), request_id: request_id.to_owned(), claim }))
    }

    /// Returns the claim of a request.
    pub(super) fn of(&self, request_id: &str) -> Option<Claim> {
        self.lock().get(request_id).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Claim>> {
        // Nothing panics while it is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A registered claim: the transactions of its request find it until the last clone of this value is dropped.
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

/// Claim of a request on its `Idempotency-Key`. Clones share the same state.
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

/// Hash that identifies a request, to detect another request with the same key. It is computed when the request first
/// writes, because its body has been read by then.
pub(crate) struct RequestHash(Box<dyn Fn() -> Vec<u8> + Send + Sync>);

impl RequestHash {
    /// Builds a hash that `of` computes.
    pub(crate) fn new(of: impl Fn() -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self(Box::new(of))
    }

    /// Computes the hash of what has been read of the request so far.
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
    /// No transaction is open.
    Open,
    /// A transaction is open.
    Begun,
    /// The service has committed; the transaction is held open until the answer is known.
    Held(Box<PendingCommit>),
    /// Another request with the key has committed first.
    Taken,
    /// Another request with the key is still in progress.
    Waited,
    /// The transaction ended when a second write tried to join it: nothing of the request has been kept.
    Lost,
    /// Committed with its answer.
    Done,
}

/// State of a claim, as the request gate needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClaimState {
    /// Nothing is held back: the request has written nothing, or its write has been rolled back or committed.
    Nothing,
    /// A commit is held back for the answer.
    Held,
    /// Another request with the key has committed first.
    Taken,
    /// Another request with the key is still in progress.
    Waited,
    /// The transaction has ended: changes that the service takes for committed have been rolled back.
    Lost,
}

/// Encrypted answer, as it is stored.
#[derive(Debug)]
pub(crate) struct SealedAnswer {
    pub(crate) status: u16,
    pub(crate) secret: bool,
    pub(crate) wrapped_key: Vec<u8>,
    pub(crate) answer: Vec<u8>,
}

impl Claim {
    /// Builds the claim on a key of `organization`, 0 for none.
    pub(crate) fn new(organization: i64, key_hash: Vec<u8>, request_hash: RequestHash) -> Self {
        let (id, progress) = (Uuid::now_v7(), Mutex::new(Progress::Open));
        Self(Arc::new(Inner { id, organization, key_hash, request_hash, progress }))
    }

    /// Returns the id of the row in `idempotency_keys`.
    pub(crate) fn id(&self) -> Uuid {
        self.0.id
    }

    /// Returns the organization that the key belongs to, 0 for none.
    pub(crate) fn organization(&self) -> i64 {
        self.0.organization
    }

    /// Returns the keyed hash by which the key is looked up.
    pub(crate) fn key_hash(&self) -> &[u8] {
        &self.0.key_hash
    }

    /// Computes the hash that identifies the request.
    pub(crate) fn request_hash(&self) -> Vec<u8> {
        self.0.request_hash.compute()
    }

    /// Returns the state of the claim.
    pub(crate) fn state(&self) -> ClaimState {
        match *self.lock() {
            Progress::Open | Progress::Begun | Progress::Done => ClaimState::Nothing,
            Progress::Held(_) => ClaimState::Held,
            Progress::Taken => ClaimState::Taken,
            Progress::Waited => ClaimState::Waited,
            Progress::Lost => ClaimState::Lost,
        }
    }

    /// Commits the writes that were held back, together with the answer: one round trip.
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

    /// Rolls back the writes that were held back, which frees the key.
    pub(crate) fn abandon(&self) {
        *self.lock() = Progress::Begun;
    }

    /// Returns what the next transaction of the request begins with.
    pub(super) fn begin(&self) -> Beginning {
        let mut progress = self.lock();
        match std::mem::replace(&mut *progress, Progress::Begun) {
            Progress::Open => Beginning::Insert(ClaimGuard(self.clone()), self.insert()),
            Progress::Held(held) => Beginning::Join(ClaimGuard(self.clone()), held),
            other => {
                *progress = other;
                Beginning::Without
            }
        }
    }

    /// Returns the statements that take the key. They are built from numbers, UUIDs and hexadecimal text alone.
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

/// Beginning of a transaction.
pub(super) enum Beginning {
    /// The transaction inserts the row of the key, by these statements.
    Insert(ClaimGuard, String),
    /// The write becomes a part of the transaction of the request's first write.
    Join(ClaimGuard, Box<PendingCommit>),
    /// The transaction has nothing to do with a key.
    Without,
}

/// Guard that a transaction has on its claim. If it is dropped without a call of [`ClaimGuard::keep`], the transaction
/// has rolled back and the next one may take the key.
#[derive(Debug)]
pub(super) struct ClaimGuard(Claim);

impl ClaimGuard {
    /// Holds the commit back until the answer is known.
    pub(super) fn keep(self, held: PendingCommit) {
        *self.0.lock() = Progress::Held(Box::new(held));
    }

    /// Records that the transaction has ended and the writes held back in it are lost.
    pub(super) fn lost(self) {
        *self.0.lock() = Progress::Lost;
    }

    /// Records the reason why the key could not be taken, if `error` states one.
    pub(super) fn refused(self, error: &sqlx::Error) {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        if broken_constraint(error) == Some("idempotency_keys_key") {
            *self.0.lock() = Progress::Taken;
        } else if code.as_deref() == Some(LOCK_TIMEOUT) {
            *self.0.lock() = Progress::Waited;
        }
    }
}

impl Drop for ClaimGuard {
    fn drop(&mut self) {
        let mut progress = self.0.lock();
        if matches!(*progress, Progress::Begun) {
            *progress = Progress::Open;
        }
    }
}
