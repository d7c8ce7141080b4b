//! Listens for every change to users, memberships and credentials.
//!
//! Triggers notify on one channel; the job listens on a connection of its own and informs the caches of such rows.
//! A payload is `kind:id`; a number alone is a user's id, `user:all` everybody's.

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

/// Job that listens for changes.
pub(crate) struct Changes {
    url: SecretString,
    listeners: Listeners,
}

impl Changes {
    /// Makes the job. It listens with the owner's role and informs `listeners`.
    pub(crate) fn new(url: SecretString, listeners: Listeners) -> Self {
        Self { url, listeners }
    }

    /// Registers `wake`, which starts the jobs that a trigger has inserted.
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
        // Eagerly reconnecting, `try_recv` would say that the connection was lost only when there is another, and until
        // then the process would serve cached values without being notified of changes.
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        // Entries loaded before this moment may be stale.
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

/// Wakes the runner of jobs for those that triggers insert.
struct Bell(Wake);

impl Remembers for Bell {
    fn changed(&self, _kind: &str) {
        self.0.wake();
    }

    /// Wakes the runner as well, because jobs inserted while the connection was lost were not reported.
    fn forget_all(&self) {
        self.0.wake();
    }

    fn hearing(&self, _hearing: bool) {}
}
