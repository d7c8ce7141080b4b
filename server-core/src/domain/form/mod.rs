//! Forms about patients: answers to a published version of a form template, from the draft to its signatures.
//!
//! All answers of a form are one document, sealed under the patient's key, with the version of the form that last
//! changed each of them. Until the first signature anybody who reaches the form saves parts of it; from then on it
//! stays as it was signed ([decision 56](../../../../docs/decisions/0056-forms.md)).

mod amend;
mod answers;
mod api;
mod attach;
mod content;
mod create;
mod document;
mod error;
mod event;
mod history;
mod holdings;
mod migrate;
mod mine;
mod model;
mod overdue;
mod prefill;
mod repository;
mod row;
mod save;
mod service;
mod sign;
mod signature;
mod signing_api;
mod submit;
mod table;
mod upkeep_api;
mod upkeep_model;
mod upkeep_repository;
mod version;
mod void;
mod write_back;

pub(crate) use attach::{PublishedTemplate, Visit, summaries};
pub(crate) use error::FormError;
pub(crate) use event::FormEvent;
pub(crate) use holdings::HOLDINGS;
pub(crate) use model::{FormFilter, FormStatus, FormSummary};
pub(crate) use overdue::forms_overdue;
pub(crate) use service::Service;
pub(crate) use table::FormColumn;

/// Operations on forms.
pub(crate) type Api = (api::Api, upkeep_api::UpkeepApi, signing_api::SigningApi, mine::MineApi);

impl Service {
    /// Returns the operations of the service.
    pub(crate) fn api(self) -> Api {
        (
            api::Api { forms: self.clone() },
            upkeep_api::UpkeepApi { forms: self.clone() },
            signing_api::SigningApi { forms: self.clone() },
            mine::MineApi { forms: self },
        )
    }
}
