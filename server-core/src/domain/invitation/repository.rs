use chrono::{DateTime, Utc};
use server_shared::http::{Paging, Total};
use uuid::Uuid;

use super::model::{InvitationKind, InvitationStatus, MyInvitation, Offer};
use crate::{
    database::{Across, DatabaseError, DiscloseTx, Listed, OpenReader, Sealed, Tx, WriteTx},
    domain::member::MemberRole,
    encryption::INDEXES_VERSION,
    ids::{InvitationId, OrganizationId, PatientId, SpecialistId, UserId},
};

/// Stored invitation; the address is encrypted with the row's own key.
#[derive(sqlx::FromRow)]
pub(super) struct InvitationRow {
    pub(super) id: InvitationId,
    pub(super) organization_id: OrganizationId,
    pub(super) uid: Uuid,
    pub(super) kind: InvitationKind,
    pub(super) role: MemberRole,
    pub(super) user_id: Option<UserId>,
    pub(super) patient_id: Option<PatientId>,
    pub(super) specialist_id: Option<SpecialistId>,
    pub(super) email_encrypted: Option<Vec<u8>>,
    pub(super) data_key_wrapped: Option<Vec<u8>>,
    pub(super) status: InvitationStatus,
    pub(super) expires_at: DateTime<Utc>,
    pub(super) ended_at: Option<DateTime<Utc>>,
    pub(super) created_at: DateTime<Utc>,
}

/// Encrypted e-mail address, to be stored.
pub(super) struct SealedAddress {
    pub(super) uid: Uuid,
    pub(super) index: Vec<u8>,
    pub(super) sealed: Option<Vec<u8>>,
    pub(super) wrapped: Vec<u8>,
}

/// Invitation that was created or renewed.
pub(super) struct Written {
    pub(super) id: InvitationId,
    pub(super) expires_at: DateTime<Utc>,
    pub(super) created_at: DateTime<Utc>,
    /// `true` if the invitation was created, `false` if a pending one was renewed.
    pub(super) is_new: bool,
}

/// Invites an address, or renews its pending invitation to the same.
pub(super) async fn address_invite(
    tx: &mut WriteTx,
    organization: OrganizationId,
    offer: Offer,
    address: &SealedAddress,
    by: UserId,
) -> Result<Written, DatabaseError> {
    let written = sqlx::query_as!(
        Written,
        r#"
        insert into invitations (organization_id, uid, kind, role, patient_id, specialist_id, email_index,
                                 email_encrypted, data_key_wrapped, invited_by, indexes_version)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        on conflict (organization_id, kind, email_index, coalesce(patient_id, specialist_id, 0))
            where status = 'pending' and email_index is not null
        do update set uid = excluded.uid, role = excluded.role, email_encrypted = excluded.email_encrypted,
                      data_key_wrapped = excluded.data_key_wrapped, invited_by = excluded.invited_by,
                      indexes_version = excluded.indexes_version,
                      expires_at = now() + interval '14 days', updated_at = now()
        returning id as "id: InvitationId", expires_at, created_at, created_at = updated_at as "is_new!"
        "#,
        organization.0,
        address.uid,
        offer.kind() as InvitationKind,
        offer.role() as MemberRole,
        offer.patient().map(|id| id.0),
        offer.specialist().map(|id| id.0),
        address.index,
        address.sealed,
        address.wrapped,
        by.0,
        INDEXES_VERSION
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(written)
}

/// Invites a user, or renews its pending invitation to the same.
pub(super) async fn user_invite(
    tx: &mut WriteTx,
    organization: OrganizationId,
    offer: Offer,
    user: UserId,
    by: Option<UserId>,
) -> Result<Written, DatabaseError> {
    let written = sqlx::query_as!(
        Written,
        r#"
        insert into invitations (organization_id, uid, kind, role, patient_id, specialist_id, user_id, invited_by)
        values ($1, $2, $3, $4, $5, $6, $7, $8)
        on conflict (organization_id, kind, user_id, coalesce(patient_id, specialist_id, 0))
            where status = 'pending' and user_id is not null
        do update set role = excluded.role, invited_by = excluded.invited_by,
                      expires_at = now() + interval '14 days', updated_at = now()
        returning id as "id: InvitationId", expires_at, created_at, created_at = updated_at as "is_new!"
        "#,
        organization.0,
        Uuid::now_v7(),
        offer.kind() as InvitationKind,
        offer.role() as MemberRole,
        offer.patient().map(|id| id.0),
        offer.specialist().map(|id| id.0),
        user.0,
        by.map(|id| id.0)
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(written)
}

/// Invites an address to sign in as a patient whom this transaction has created. The front desk and programs may do so,
/// but neither read invitations nor make others, so a function does it for them.
pub(super) async fn new_patient_invite(
    tx: &mut WriteTx,
    patient: PatientId,
    address: &SealedAddress,
) -> Result<Written, DatabaseError> {
    let written = sqlx::query_as!(
        Written,
        r#"
        select invitation_id as "id!: InvitationId", expires as "expires_at!", created as "created_at!",
               true as "is_new!"
        from new_patient_invite($1, $2, $3, $4, $5, $6)
        "#,
        patient.0,
        address.uid,
        address.index,
        address.sealed,
        address.wrapped,
        INDEXES_VERSION
    )
    .fetch_one(tx.connection()?)
    .await?;
    Ok(written)
}

impl Listed for InvitationRow {
    const TABLE: &'static str = "invitations";
    const COLUMNS: &'static str = "id, organization_id, uid, kind, role, user_id, patient_id, specialist_id, \
                                   email_encrypted, data_key_wrapped, \
                                   case when status = 'pending' and expires_at <= now() then 'expired' else status end \
                                       as status, \
                                   expires_at, ended_at, created_at";
    const PRESENT: &'static str = "true";
}

/// Reads a page of invitations, newest first, and their total number.
pub(super) async fn invitation_page(
    tx: &mut DiscloseTx,
    organization: OrganizationId,
    paging: Paging,
) -> Result<Sealed<(Vec<InvitationRow>, Total)>, DatabaseError> {
    tx.list()?.filter("organization_id =", Some(organization)).rows("created_at desc, id desc", paging).await
}

/// Revokes a pending invitation; returns false if there is none.
pub(super) async fn invitation_revoke(
    tx: &mut WriteTx,
    organization: OrganizationId,
    id: InvitationId,
) -> Result<bool, DatabaseError> {
    let done = sqlx::query!(
        r#"
        update invitations set status = 'revoked', ended_at = now(), updated_at = now()
        where organization_id = $1 and id = $2 and status = 'pending'
        "#,
        organization.0,
        id.0
    )
    .execute(tx.connection()?)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Reads the open invitations of the caller, the first to expire first.
pub(super) async fn invitations_of_caller(reader: &mut OpenReader) -> Result<Vec<MyInvitation>, DatabaseError> {
    let (connection, (user, organization, role, patient, specialist)) = reader.parts();
    let rows = sqlx::query_as!(
        MyInvitation,
        r#"
        select i.id as "id!: InvitationId", i.kind as "kind!: InvitationKind",
               i.organization_id as "organization_id!: OrganizationId", i.organization_name as "organization_name!",
               i.role as "role!: MemberRole", i.expires_at as "expires_at!"
        from context_enter($1, $2, $3, $4, $5) as ctx
        cross join lateral (select * from my_invitations() where ctx order by expires_at, id offset 0) i
        "#,
        user,
        organization,
        role,
        patient,
        specialist
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// Open invitation that is being answered.
pub(super) struct Taken {
    pub(super) id: InvitationId,
    pub(super) organization_id: OrganizationId,
    pub(super) organization_name: String,
    pub(super) organization_slug: String,
    pub(super) kind: InvitationKind,
    pub(super) role: MemberRole,
    pub(super) patient_id: Option<PatientId>,
    pub(super) specialist_id: Option<SpecialistId>,
    pub(super) invited_by: Option<UserId>,
}

/// Locks an open invitation of the context's user, and the user against the end of its account.
pub(super) async fn invitation_take(
    tx: &mut WriteTx,
    user: UserId,
    id: InvitationId,
) -> Result<Option<Taken>, DatabaseError> {
    // The user comes first, as in the end of an account, so that the later transaction sees the changes of the earlier.
    let present = sqlx::query!("select id from users where id = $1 and deleted_at is null for share", user.0)
        .fetch_optional(tx.connection()?)
        .await?;
    if present.is_none() {
        return Ok(None);
    }
    // Memberships come before the invitation, as in the end of a membership, which ends invitations.
    sqlx::query!("select organization_id from memberships where user_id = $1 for share", user.0)
        .fetch_all(tx.connection()?)
        .await?;
    let taken = sqlx::query_as!(
        Taken,
        r#"
        select i.id as "id: InvitationId", i.organization_id as "organization_id: OrganizationId",
               o.name as organization_name, o.slug as organization_slug, i.kind as "kind: InvitationKind",
               i.role as "role: MemberRole", i.patient_id as "patient_id: PatientId",
               i.specialist_id as "specialist_id: SpecialistId", i.invited_by as "invited_by: UserId"
        from invitations i join organizations o on o.id = i.organization_id
        where i.id = $1 and i.status = 'pending' and i.expires_at > now()
          and (i.user_id = $2 or i.email_index = context_address())
        for update of i
        "#,
        id.0,
        user.0
    )
    .fetch_optional(tx.connection()?)
    .await?;
    Ok(taken)
}

/// Stores the answer, and the user who gave it.
pub(super) async fn invitation_answer(
    tx: &mut WriteTx,
    id: InvitationId,
    user: UserId,
    answer: InvitationStatus,
) -> Result<(), DatabaseError> {
    sqlx::query!(
        "update invitations set status = $3, user_id = $2, ended_at = now(), updated_at = now() where id = $1",
        id.0,
        user.0,
        answer as InvitationStatus
    )
    .execute(tx.connection()?)
    .await?;
    Ok(())
}

/// Reads an open invitation whose address has no account.
pub(super) async fn unknown_address(
    reader: &mut OpenReader,
    id: InvitationId,
) -> Result<Option<InvitationRow>, DatabaseError> {
    reader
        .list()
        .filter(
            "status = 'pending' and expires_at > now() \
             and not exists (select from users u where u.email_index = invitations.email_index and u.deleted_at is null) \
             and id =",
            Some(id),
        )
        .one()
        .await
}

/// Deletes invitations that ended or expired so many days ago; returns their number.
pub(super) async fn invitations_purge(across: &Across, days: i32) -> Result<u64, DatabaseError> {
    let done = sqlx::query!(
        "delete from invitations where coalesce(ended_at, expires_at) < now() - make_interval(days => $1)",
        days
    )
    .execute(across.pool())
    .await?;
    Ok(done.rows_affected())
}
