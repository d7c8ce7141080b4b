use server_shared::http::{Page, Paging};

use super::{
    ended::Ended,
    error::MemberError,
    event::MembershipEvent,
    model::{Invitation, Member, MemberRole, MembershipOf},
    repository::{self, MemberRow},
};
use crate::{
    audit::Audit,
    database::{Database, DatabaseError, Disclosed, Lock, Sealed, WriteTx},
    domain::user,
    event::Events,
    identity::{Caller, Changed},
    ids::{OrganizationId, UserId},
};

/// Service for the members of organizations.
#[derive(Clone)]
pub(crate) struct Service {
    database: Database,
    users: user::Service,
}

impl Service {
    pub(crate) fn new(database: Database, users: user::Service) -> Self {
        Self { database, users }
    }

    pub(super) async fn list(&self, caller: &Caller, paging: Paging) -> Result<Disclosed<Page<Member>>, MemberError> {
        let mut tx = self.database.disclose(caller).await?;
        let rows = repository::member_page(&mut tx, paging).await?;
        let page = rows.try_map(|(rows, total)| {
            let members = rows.into_iter().map(|row| self.open(row)).collect::<Result<Vec<_>, DatabaseError>>()?;
            Ok::<_, DatabaseError>(paging.page(members, total))
        })?;
        let read = |page: &Page<Member>| {
            Audit::read(&page.data.iter().map(|member| MembershipOf(member.user_id)).collect::<Vec<_>>())
        };
        Ok(tx.disclose(page, read).await?)
    }

    pub(super) async fn update(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        user: UserId,
        role: MemberRole,
    ) -> Result<Disclosed<Member>, MemberError> {
        let mut tx = self.write(caller, organization).await?;
        if role != MemberRole::Admin {
            leave_an_admin(&mut tx, user).await?;
        }
        let ended = end(&mut tx, user, Some(role)).await?;
        if !repository::member_role_update(&mut tx, organization, user, role).await? {
            return Err(MemberError::NotFound);
        }
        self.commit(tx, user, |member| {
            let updated = MembershipEvent::Updated(MembershipOf(member.user_id), vec!["role"]);
            Events::from(updated).and(ended)
        })
        .await
    }

    pub(super) async fn delete(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<(), MemberError> {
        let mut tx = self.write(caller, organization).await?;
        leave_an_admin(&mut tx, user).await?;
        let ended = end(&mut tx, user, None).await?;
        if !repository::member_delete(&mut tx, organization, user).await? {
            return Err(MemberError::NotFound);
        }
        tx.changed(Changed::User(user));
        tx.commit(Events::from(MembershipEvent::Deleted(MembershipOf(user))).and(ended)).await?;
        Ok(())
    }

    /// Adds a user who has accepted an invitation at the identity provider.
    pub(crate) async fn join(&self, tx: &mut WriteTx, invitation: &Invitation) -> Result<Events, MemberError> {
        let (user, present) = self.users.known(tx, &invitation.clerk_id).await?;
        let membership = MembershipOf(user);
        let joined = if present {
            repository::invitation_accept(tx, &invitation.organization, user, invitation.role).await?
        } else {
            None
        };
        let Some(organization) = joined else { return Ok(MembershipEvent::Ignored(membership).into()) };
        tx.changed(Changed::User(user));
        Ok(joined_as(user, invitation.role, organization))
    }

    /// Finds a user by its id, among the present and former members of the organization; among all users for a
    /// superadmin.
    pub(crate) async fn find(&self, tx: &mut WriteTx, id: UserId) -> Result<Option<UserId>, DatabaseError> {
        repository::user_find(tx, id).await
    }

    /// Finds a member of the context's organization by its id or by the blind index of its address; returns its role,
    /// too.
    pub(crate) async fn named(
        &self,
        tx: &mut WriteTx,
        id: Option<UserId>,
        email_index: Option<&[u8]>,
    ) -> Result<Option<(UserId, MemberRole)>, DatabaseError> {
        repository::member_named(tx, id, email_index).await
    }

    /// Returns the user's role in an organization, which stays the same until the end of the transaction; `None` for
    /// somebody who is not a member.
    pub(crate) async fn role_hold(
        &self,
        tx: &mut WriteTx,
        organization: OrganizationId,
        user: UserId,
    ) -> Result<Option<MemberRole>, DatabaseError> {
        repository::member_role_hold(tx, organization, user).await
    }

    /// Adds a user who has accepted to be a member; returns the events.
    pub(crate) async fn add(
        &self,
        tx: &mut WriteTx,
        organization: OrganizationId,
        user: UserId,
        role: MemberRole,
    ) -> Result<Events, MemberError> {
        repository::member_create(tx, organization, user, role).await?;
        Ok(joined_as(user, role, organization))
    }

    /// Begins a transaction above organizations that locks the members of each of the user's organizations against
    /// changes, so that a check for the last administrator stays valid.
    pub(crate) async fn write_leaving(&self, above: &Caller, user: UserId) -> Result<WriteTx, DatabaseError> {
        let mut locks = Vec::new();
        loop {
            let mut tx = self.database.write_locked(above, locks.clone()).await?;
            let organizations = repository::organizations_of(&mut tx, user).await?;
            let needed: Vec<_> = organizations.into_iter().map(Lock::Members).collect();
            if needed.iter().all(|lock| locks.contains(lock)) {
                return Ok(tx);
            }
            // Begins anew: a lock taken after rows would break the common order, and two transactions could deadlock.
            locks = needed;
        }
    }

    /// Ends every membership of a user; returns an event for each organization.
    pub(crate) async fn leave_all(&self, tx: &mut WriteTx, user: UserId) -> Result<Vec<Events>, DatabaseError> {
        let organizations = repository::memberships_end(tx, user).await?;
        let deleted = || Events::from(MembershipEvent::Deleted(MembershipOf(user)));
        let left = |organization| deleted().in_organization(organization);
        Ok(organizations.into_iter().map(left).collect())
    }

    /// Returns true if the user is the last administrator of an organization that the transaction's context shows. The
    /// answer stays valid while the transaction has [`Lock::Members`].
    pub(crate) async fn is_last_admin(&self, tx: &mut WriteTx, user: UserId) -> Result<bool, DatabaseError> {
        repository::is_last_admin(tx, user).await
    }

    /// Begins a transaction that serializes changes of an organization's members: two administrators who demote each
    /// other would otherwise leave none.
    async fn write(&self, caller: &Caller, organization: OrganizationId) -> Result<WriteTx, DatabaseError> {
        self.database.write_locked(caller, vec![Lock::Members(organization)]).await
    }

    /// Commits; returns the changed member.
    async fn commit(
        &self,
        mut tx: WriteTx,
        user: UserId,
        events: impl FnOnce(&Member) -> Events,
    ) -> Result<Disclosed<Member>, MemberError> {
        let row = tx.get(user).await?.ok_or(MemberError::NotFound)?;
        tx.changed(Changed::User(user));
        let member = Sealed::new(self.open(row)?);
        Ok(tx.commit_sealed(member, events).await?)
    }

    fn open(&self, row: MemberRow) -> Result<Member, DatabaseError> {
        let role = MemberRole::parse(&row.role)
            .ok_or_else(|| DatabaseError::Damaged(format!("a membership of user {} has no known role", row.user_id)))?;
        let email = self.users.email_open(row.uid, row.data_key_wrapped.as_deref(), row.email_encrypted.as_deref())?;
        Ok(Member { user_id: row.user_id, name: row.name.into(), email, role, since: row.since })
    }
}

/// Returns the events of a new membership.
fn joined_as(user: UserId, role: MemberRole, organization: OrganizationId) -> Events {
    let created = Events::from(MembershipEvent::Created(MembershipOf(user))).in_organization(organization);
    let granted = (role == MemberRole::Admin).then_some(MembershipEvent::AdminGranted(MembershipOf(user)));
    created.and(granted.map(|granted| Events::from(granted).in_organization(organization)))
}

/// Ends what belongs to the member's role and not to the next one; returns the events.
async fn end(tx: &mut WriteTx, user: UserId, next: Option<MemberRole>) -> Result<Vec<Events>, DatabaseError> {
    Ok(repository::capacity_end(tx, user, next).await?.iter().map(Ended::event).collect())
}

/// Refuses to remove the last administrator, and a user who is not a member.
async fn leave_an_admin(tx: &mut WriteTx, user: UserId) -> Result<(), MemberError> {
    tx.get::<MemberRow>(user).await?.ok_or(MemberError::NotFound)?;
    if repository::is_last_admin(tx, user).await? { Err(MemberError::LastAdmin) } else { Ok(()) }
}
