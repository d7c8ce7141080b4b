mod api;
mod duplicate;
mod error;
mod event;
mod holdings;
mod indexes;
mod link;
mod locale;
mod merge;
mod model;
mod onboarding;
mod repository;
mod service;
mod table;

pub(crate) use duplicate::PossibleDuplicate;
pub(crate) use error::PatientError;
pub(crate) use event::PatientEvent;
pub(crate) use holdings::HOLDINGS;
pub(crate) use indexes::{indexes_left, indexes_refresh};
pub(crate) use merge::{absent, check_unmerged, merged_records};
pub(crate) use model::{CreatePatient, Patient, PatientFilter};
pub(crate) use service::Service;
pub(crate) use table::{PatientCells, PatientColumn};

/// Operations on patients.
pub(crate) type Api = (api::Api, merge::MergeApi);

impl Service {
    /// Returns the operations of the service.
    pub(crate) fn api(self) -> Api {
        (api::Api { patients: self.clone() }, merge::MergeApi { patients: self })
    }
}
