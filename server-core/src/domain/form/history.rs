//! Changes of forms.

use server_shared::http::{Page, Paging};

use super::{
    error::FormError, model::FormSummary, service::Service, upkeep_model::FormHistoryEntry,
    upkeep_repository as repository,
};
use crate::{identity::Caller, ids::FormId};

impl Service {
    /// Returns a page of the changes of a form, the latest first. They name fields and hold no answer.
    pub(super) async fn history(
        &self,
        caller: &Caller,
        id: FormId,
        paging: Paging,
    ) -> Result<Page<FormHistoryEntry>, FormError> {
        let mut reader = self.database.read(caller).open().await?;
        reader.get::<FormSummary>(id).await?.ok_or(FormError::NotFound)?;
        Ok(repository::change_page(&mut reader, id, paging).await?)
    }
}
