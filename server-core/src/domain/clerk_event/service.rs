use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use serde_json::Value;
use server_shared::crypto::WebhookSecret;

use super::{
    error::ClerkError,
    event::{Change, Event},
    repository,
    session_event::SessionEvent,
};
use crate::{
    database::{Across, Database, DatabaseError, WriteTx},
    domain::{gdpr::Erasure, member, user},
    event::Events,
    identity::{Caller, Changed},
    ids::Entity,
};

/// Period for which ended sessions are kept. It exceeds the life of every token: Clerk's expire after a minute.
const ENDED_SESSION_KEPT: Duration = Duration::from_hours(24);
/// Period for which ids of messages are kept. Clerk retries for some days, and a person can resend a message after
/// that.
const MESSAGE_ID_KEPT: Duration = Duration::from_hours(30 * 24);

/// A message whose signature has not been verified yet.
pub(super) struct Message<'a> {
    pub(super) id: &'a str,
    pub(super) timestamp: &'a str,
    pub(super) signatures: &'a str,
    pub(super) body: &'a [u8],
}

/// A message with a valid signature of Clerk.
pub(super) struct Verified<'a> {
    id: &'a str,
    /// Signed time of sending.
    at: DateTime<Utc>,
}

/// Processes Clerk's messages.
#[derive(Clone)]
pub(crate) struct Service {
    database: Database,
    users: user::Service,
    members: member::Service,
    secret: Arc<WebhookSecret>,
}

/// Session that an event is about, by its id. The id gives no access.
#[derive(Debug, Clone)]
pub(crate) struct SessionOf(String);

impl Entity for SessionOf {
    const TYPE: &'static str = "session";

    fn entity_id(&self) -> String {
        self.0.clone()
    }
}

impl Service {
    /// Creates the service; it accepts messages that are signed with `secret`.
    pub(crate) fn new(
        database: Database,
        users: user::Service,
        members: member::Service,
        secret: WebhookSecret,
    ) -> Self {
        Self { database, users, members, secret: Arc::new(secret) }
    }

    /// Verifies the signature of a message. Its body must not be parsed before.
    pub(super) fn verify<'a>(&self, message: &Message<'a>) -> Result<Verified<'a>, ClerkError> {
        let now = Utc::now();
        let Message { id, timestamp, signatures, body } = *message;
        self.secret.verify(id, timestamp, signatures, body, now.timestamp())?;
        let at = timestamp.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0)).unwrap_or(now);
        Ok(Verified { id, at })
    }

    /// Applies a message, unless it has been applied before; `caller` is the service itself.
    pub(super) async fn receive(&self, caller: &Caller, sent: Verified<'_>, body: Value) -> Result<(), ClerkError> {
        let Verified { id, at } = sent;
        let now = Utc::now();
        let event = Event::parse(id, at, now, body)?;
        let Some(change) = event.change else { return Ok(()) };
        // An end of access takes effect whatever its date: nothing can be newer than the end.
        let ends_access = matches!(change, Change::UserDelete { .. } | Change::SessionEnd { .. });
        let ended = ends_access.then(|| user::EventTime { at: now, id: id.to_owned() });
        let Some(moment) = event.moment.or(ended) else {
            // Clerk would send again whatever is not acknowledged, and the date would be as wrong.
            let request_id = &caller.request.request_id;
            tracing::warn!(request_id, message_id = id, "an event of Clerk's was refused: its date can't be right");
            return Ok(());
        };
        let mut tx = self.database.write(caller).await?;
        if !repository::event_claim(&mut tx, id).await? {
            return Ok(());
        }
        let events: Events = match change {
            Change::UserPut(profile) => self.users.profile_put(&mut tx, &profile, &moment).await?.into(),
            Change::UserDelete { clerk_id } => {
                let (user, closed, ended) = self.users.close(&mut tx, &clerk_id).await?;
                if closed {
                    // Data of the account outside organizations is erased along with it.
                    tx.enqueue(&Erasure::of_account(user)).await?;
                }
                Events::from(ended).and(self.members.leave_all(&mut tx, user).await?)
            }
            Change::InvitationAccept(invitation) => self.members.join(&mut tx, &invitation).await?,
            Change::SessionBegin { sid } => SessionEvent::Created(SessionOf(sid)).into(),
            Change::SessionEnd { sid, clerk_id } => {
                if let Some(clerk_id) = clerk_id {
                    self.users.access_revoke(&mut tx, &clerk_id).await?;
                }
                self.session_end(&mut tx, sid, moment.at).await?
            }
        };
        tx.commit(events).await?;
        Ok(())
    }

    async fn session_end(&self, tx: &mut WriteTx, sid: String, at: DateTime<Utc>) -> Result<Events, ClerkError> {
        repository::session_revoke(tx, &sid, at, ENDED_SESSION_KEPT).await?;
        tx.changed(Changed::Session(sid.clone()));
        Ok(SessionEvent::Ended(SessionOf(sid)).into())
    }
}

/// Deletes expired rows; returns their number.
pub(crate) async fn sweep(across: Across) -> Result<u64, DatabaseError> {
    repository::sweep(&across, MESSAGE_ID_KEPT).await
}
