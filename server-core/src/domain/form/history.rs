//! Changes of forms.

use server_shared::http::{Page, Paging};

use super::{
    error::FormError, model::FormSummary, service::Service, upkeep_model::FormHistoryEntry,
    upkeep_repository as repository,
};
use crate::{identity::Caller, ids::FormId};

/// Maximum number of names that a change keeps. A form has up to 10,000 places, and a page of its history 100 changes.
const NAMES_KEPT: usize = 1000;

/// Returns the names of a change that its history keeps: the first ones, in their order.
pub(super) fn kept(names: &[String]) -> &[String] {
    names.get(..NAMES_KEPT).unwrap_or(names)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_keeps_its_first_names() {
        let names: Vec<String> = (0..=NAMES_KEPT).map(|number| format!("item_{number}")).collect();
        assert_eq!(kept(&names), &names[..NAMES_KEPT]);
        assert_eq!(kept(&names[1..]), &names[1..]);
        assert_eq!(kept(&[]), [""; 0]);
    }
}
