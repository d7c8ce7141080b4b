use crate::{
    database::{DatabaseError, Tx, WriteTx},
    ids::FormId,
};

/// Deletes the rows of a form that is a draft again; its submission writes them anew.
pub(in crate::domain::form) async fn answers_delete(tx: &mut WriteTx, form: FormId) -> Result<(), DatabaseError> {
    sqlx::query!(
        "delete from form_answers where organization_id = (select context_organization()) and form_id = $1",
        form.0
    )
    .execute(tx.connection()?)
    .await?;
    Ok(())
}
