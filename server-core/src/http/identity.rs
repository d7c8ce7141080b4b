//! Users and their memberships, cached in process: a hot caller costs no query.
//!
//! The cache hears of every change, whoever makes it: triggers notify, a listener on a connection of
//! its own invalidates. A load that began before an invalidation is not stored (generation counter);
//! while the listener is not connected nothing is cached at all; and nothing lives longer than 30 s.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::sync::Cache;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{PgPool, postgres::PgListener};
use tokio_util::sync::CancellationToken;

use super::Role;
use crate::{
    database::DatabaseError,
    ids::{OrganizationId, PatientId, SpecialistId, UserId},
};

const CHANNEL: &str = "identity_changed";
const TIME_TO_LIVE: Duration = Duration::from_secs(30);
const CAPACITY: u64 = 100_000;
const RECONNECT_AFTER: Duration = Duration::from_millis(500);

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
#[derive(Debug)]
pub(crate) struct Membership {
    /// The organization.
    pub(crate) organization_id: OrganizationId,
    /// Its name.
    pub(crate) organization_name: String,
    /// Its slug.
    pub(crate) organization_slug: String,
    /// What the user is in it.
    pub(crate) role: Role,
    /// The user's patient record in it.
    pub(crate) patient_id: Option<PatientId>,
    /// The user's specialist record in it.
    pub(crate) specialist_id: Option<SpecialistId>,
}

/// Finds and caches identities.
#[derive(Clone)]
pub(crate) struct Identities(Arc<Inner>);

struct Inner {
    admin: PgPool,
    by_subject: Cache<String, Arc<Identity>>,
    /// Which cached subject a user id belongs to, for notifications carry the id.
    subject_of: Cache<i64, String>,
    generation: AtomicU64,
    listening: AtomicBool,
}

impl Identities {
    /// Loads from the owner's pool: who a caller is must be known before there is a context.
    pub(crate) fn new(admin: PgPool) -> Self {
        Self(Arc::new(Inner {
            admin,
            by_subject: Cache::builder().max_capacity(CAPACITY).time_to_live(TIME_TO_LIVE).build(),
            subject_of: Cache::builder().max_capacity(CAPACITY).time_to_live(TIME_TO_LIVE).build(),
            generation: AtomicU64::new(0),
            listening: AtomicBool::new(false),
        }))
    }

    /// The user whom the identity provider calls `subject`.
    pub(crate) async fn find(&self, subject: &str) -> Result<Option<Arc<Identity>>, DatabaseError> {
        let inner = &self.0;
        if let Some(identity) = inner.by_subject.get(subject) {
            return Ok(Some(identity));
        }
        let generation = inner.generation.load(Ordering::SeqCst);
        let Some(identity) = load(&inner.admin, subject).await?.map(Arc::new) else { return Ok(None) };
        if inner.listening.load(Ordering::SeqCst) {
            inner.subject_of.insert(identity.user_id.0, subject.to_owned());
            inner.by_subject.insert(subject.to_owned(), Arc::clone(&identity));
            // What changed between the load and the insert has already been announced: undo.
            if inner.generation.load(Ordering::SeqCst) != generation {
                inner.by_subject.invalidate(subject);
            }
        }
        Ok(Some(identity))
    }

    /// Forgets a user, before the change that made it necessary is answered.
    pub(crate) fn invalidate(&self, user: UserId) {
        self.0.generation.fetch_add(1, Ordering::SeqCst);
        if let Some(subject) = self.0.subject_of.get(&user.0) {
            self.0.by_subject.invalidate(&subject);
        }
    }

    fn invalidate_all(&self) {
        self.0.generation.fetch_add(1, Ordering::SeqCst);
        self.0.by_subject.invalidate_all();
    }

    /// Listens until `stop`; reconnects, forgetting everything, whenever the connection is lost.
    pub(crate) async fn listen(self, url: SecretString, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                ended = self.listen_once(&url) => {
                    self.0.listening.store(false, Ordering::SeqCst);
                    self.invalidate_all();
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

    async fn listen_once(&self, url: &SecretString) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect(url.expose_secret()).await?;
        // Eagerly reconnecting, `try_recv` would say that the connection was lost only when there is
        // another, and until then the cache would be served by a process that hears of no change.
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        // What was loaded before this moment may be stale already.
        self.invalidate_all();
        self.0.listening.store(true, Ordering::SeqCst);
        while let Some(notification) = listener.try_recv().await? {
            match notification.payload().parse() {
                Ok(user) => self.invalidate(UserId(user)),
                Err(_) => self.invalidate_all(),
            }
        }
        Ok(())
    }
}

async fn load(admin: &PgPool, subject: &str) -> Result<Option<Identity>, DatabaseError> {
    let rows = sqlx::query!(
        r#"
        select u.id as "user_id: UserId", u.name, u.superadmin,
               u.current_organization_id as "current_organization_id: OrganizationId",
               m.organization_id as "organization_id?: OrganizationId", m.role as "role?",
               o.name as "organization_name?", o.slug as "organization_slug?",
               p.id as "patient_id?: PatientId", s.id as "specialist_id?: SpecialistId"
        from users u
        left join memberships m on m.user_id = u.id
        left join organizations o on o.id = m.organization_id
        left join patients p on p.organization_id = m.organization_id and p.user_id = u.id and p.deleted_at is null
        left join specialists s on s.organization_id = m.organization_id and s.user_id = u.id and s.deleted_at is null
        where u.clerk_id = $1
        order by o.name, o.id
        "#,
        subject
    )
    .fetch_all(admin)
    .await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let mut identity = Identity {
        user_id: first.user_id,
        name: first.name.clone(),
        superadmin: first.superadmin,
        current_organization_id: first.current_organization_id,
        memberships: Vec::with_capacity(rows.len()),
    };
    for row in rows {
        let (Some(organization_id), Some(role), Some(organization_name), Some(organization_slug)) =
            (row.organization_id, row.role, row.organization_name, row.organization_slug)
        else {
            continue;
        };
        let role = Role::of_membership(&role).ok_or_else(|| {
            DatabaseError::Damaged(format!("membership of organization {organization_id} has no known role"))
        })?;
        let (patient_id, specialist_id) = (row.patient_id, row.specialist_id);
        identity.memberships.push(Membership {
            organization_id,
            organization_name,
            organization_slug,
            role,
            patient_id,
            specialist_id,
        });
    }
    Ok(Some(identity))
}
