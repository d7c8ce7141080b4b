//! Hears of every change to users, memberships and credentials, whoever makes it.
//!
//! Triggers notify on one channel; this listens on a connection of its own and tells whatever remembers
//! such rows. A payload is `kind:id`; a number alone is a user's id, `user:all` everybody's.

use std::{sync::Arc, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgListener;
use tokio_util::sync::CancellationToken;

use crate::{
    identity::{Listeners, Remembers},
    wake::Wake,
};

const CHANNEL: &str = "identity_changed";
const RECONNECT_AFTER: Duration = Duration::from_millis(500);

/// The job that listens.
pub(crate) struct Changes {
    url: SecretString,
    listeners: Listeners,
}

impl Changes {
    /// Listens with the owner's role, and tells `listeners`.
    pub(crate) fn new(url: SecretString, listeners: Listeners) -> Self {
        Self { url, listeners }
    }

    /// Registers `wake`, to be rung when a trigger has inserted a job, which no process has enqueued.
    pub(crate) fn ring(self, wake: Wake) -> Self {
        self.listeners.add("job", Arc::new(Bell(wake)));
        self
    }

    /// Listens until `stop`; reconnects, with everything forgotten, whenever the connection is lost.
    pub(crate) async fn listen(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                ended = self.listen_once() => {
                    self.listeners.each(|_, listener| { listener.hearing(false); listener.forget_all(); });
                    if let Err(error) = ended {
                        tracing::warn!(%error, "the listener for identity changes lost its connection; nothing is cached meanwhile");
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RECONNECT_AFTER) => {}
            }
        }
    }

    async fn listen_once(&self) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect(self.url.expose_secret()).await?;
        // Eagerly reconnecting, `try_recv` would say that the connection was lost only when there is
        // another, and until then caches would be served by a process that hears of no change.
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        // What was loaded before this moment may be stale already.
        self.listeners.each(|_, listener| {
            listener.forget_all();
            listener.hearing(true);
        });
        while let Some(notification) = listener.try_recv().await? {
            let (kind, id) = notification.payload().split_once(':').unwrap_or(("user", notification.payload()));
            self.listeners.tell_of(kind, id);
        }
        Ok(())
    }
}

/// Rings for jobs that triggers leave.
struct Bell(Wake);

impl Remembers for Bell {
    fn changed(&self, _kind: &str) {
        self.0.wake();
    }

    /// Rings as well: nobody heard of jobs that were inserted while the connection was lost.
    fn forget_all(&self) {
        self.0.wake();
    }

    fn hearing(&self, _hearing: bool) {}
}
