use super::super::model::FormSummary;
use crate::{
    database::{DatabaseError, WriteTx},
    ids::FormId,
};

/// Reads the properties of forms in the order of their ids, also of those that the transaction has created.
pub(crate) async fn summaries(tx: &mut WriteTx, ids: &[FormId]) -> Result<Vec<FormSummary>, DatabaseError> {
    let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
    tx.get_all(ids).await
}
