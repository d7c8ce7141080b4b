//! Users and their memberships, remembered in process: a hot caller costs no query.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use moka::sync::Cache;
use sqlx::PgPool;

use super::{
    Capacity, Role,
    changes::Changes,
    remembered::{CAPACITY, Remembered, Remembers, TIME_TO_LIVE},
    repository,
};
use crate::{
    database::{DatabaseError, WriteTx},
    ids::{OrganizationId, PatientId, UserId},
};

/// A user with everything that authentication needs to know.
#[derive(Debug)]
pub(crate) struct Identity {
    /// The user.
    pub(crate) user_id: UserId,
    /// What to call the user.
    pub(crate) name: String,
    /// Whether the user runs the platform.
    pub(crate) superadmin: bool,
    /// Where requests go that name no organization.
    pub(crate) current_organization_id: Option<OrganizationId>,
    /// One entry an organization, by name.
    pub(crate) memberships: Vec<Membership>,
}

/// What a user is in one organization.
#[derive(Debug, Clone)]
pub(crate) struct Membership {
    /// The organization.
    pub(crate) organization_id: OrganizationId,
    /// Its name.
    pub(crate) organization_name: String,
    /// Its slug.
    pub(crate) organization_slug: String,
    /// What the user is in it.
    pub(crate) capacity: Capacity,
}

/// Role of a user in one organization, as of a moment of the database's clock that is not later than the snapshot
/// that was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing {
    /// The moment.
    pub(crate) at: DateTime<Utc>,
    /// True if the session has ended.
    pub(crate) session_ended: bool,
    /// The user's role there; `None` for somebody who is not a member.
    pub(crate) role: Option<Role>,
    /// The user's patient record there, if a patient is what it is.
    pub(crate) patient_id: Option<PatientId>,
}

/// Finds and remembers identities.
#[derive(Clone)]
pub(crate) struct Identities(Arc<Inner>);

struct Inner {
    admin: PgPool,
    by_subject: Remembered<Identity>,
    /// Which remembered subject a user id belongs to, for changes are told by id.
    subject_of: Cache<i64, String>,
}

impl Identities {
    /// Loads from the owner's pool: who a caller is must be known before there is a context.
    pub(crate) fn new(admin: PgPool) -> Self {
        Self(Arc::new(Inner {
            admin,
            by_subject: Remembered::new(),
            subject_of: Cache::builder().max_capacity(CAPACITY).time_to_live(TIME_TO_LIVE).build(),
        }))
    }

    /// Has `changes` tell of users that changed.
    pub(crate) fn hear(&self, changes: Changes) -> Changes {
        changes.tell("user", Arc::<Inner>::clone(&self.0))
    }

    /// The user whom the identity provider calls `subject`.
    pub(crate) async fn find(&self, subject: &str) -> Result<Option<Arc<Identity>>, DatabaseError> {
        let inner = &self.0;
        if let Some(identity) = inner.by_subject.get(subject) {
            return Ok(Some(identity));
        }
        let begun = inner.by_subject.begin();
        let Some(identity) = repository::identity_find(&inner.admin, subject).await?.map(Arc::new) else {
            return Ok(None);
        };
        inner.subject_of.insert(identity.user_id.0, subject.to_owned());
        inner.by_subject.keep(begun, subject, &identity);
        Ok(Some(identity))
    }

    /// Reads a user's role from the database and does not cache it: for tokens, which outlive every cached identity.
    /// `None` if there is no such user any more.
    pub(crate) async fn standing(
        &self,
        user: UserId,
        organization: OrganizationId,
        session: Option<&str>,
    ) -> Result<Option<Standing>, DatabaseError> {
        repository::standing_get(&self.0.admin, user, organization, session).await
    }

    /// Forgets a user, before the change that made it necessary is answered.
    pub(crate) fn invalidate(&self, user: UserId) {
        self.0.by_subject.forget(self.0.subject_of.get(&user.0).as_deref());
    }

    /// Has everybody forgotten once `tx` is committed.
    pub(crate) fn invalidate_all_after(&self, tx: &mut WriteTx) {
        let identities = self.clone();
        tx.after_commit(move || identities.0.by_subject.forget_all());
    }

    /// Has the users forgotten once `tx` is committed.
    pub(crate) fn invalidate_after(&self, tx: &mut WriteTx, users: impl IntoIterator<Item = UserId>) {
        for user in users {
            let identities = self.clone();
            tx.after_commit(move || identities.invalidate(user));
        }
    }
}

impl Remembers for Inner {
    fn changed(&self, id: &str) {
        match id.parse::<i64>() {
            Ok(user) => self.by_subject.forget(self.subject_of.get(&user).as_deref()),
            Err(_) => self.forget_all(),
        }
    }

    fn forget_all(&self) {
        self.by_subject.forget_all();
    }

    fn hearing(&self, hearing: bool) {
        self.by_subject.hearing(hearing);
    }
}
