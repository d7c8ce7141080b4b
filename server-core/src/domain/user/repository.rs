use super::error::UserError;
use crate::{
    database::{DatabaseError, Tx, broken_constraint},
    ids::{OrganizationId, UserId},
};

pub(super) async fn user_switch(tx: &mut impl Tx, user: UserId, organization: OrganizationId) -> Result<(), UserError> {
    sqlx::query!(
        "update users set current_organization_id = $2, updated_at = now() where id = $1",
        user.0,
        organization.0
    )
    .execute(tx.connection()?)
    .await
    .map_err(|error| match broken_constraint(&error) {
        Some("users_current_organization_id_fkey") => UserError::OrganizationNotFound,
        _ => DatabaseError::from(error).into(),
    })?;
    Ok(())
}
