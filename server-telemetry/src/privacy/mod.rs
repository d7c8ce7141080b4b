//! Consent, also of patients without a login, exclusions from tracking, and export and erasure of a person's data.

mod api;
mod cache;
mod erasure;
mod error;
mod exclusion;
mod model;
pub(crate) mod registry;
mod repository;
mod service;
mod subject;

pub(crate) use api::PrivacyApi;
pub(crate) use cache::ConsentCache;
pub(crate) use erasure::{
    ErasureApi, ErasureRepository, ErasureRunner, ErasureService, EventHoldings, Exporter, RowHoldings,
};
pub(crate) use exclusion::{ExclusionApi, ExclusionRepository, ExclusionService};
pub(crate) use model::Purpose;
pub(crate) use repository::ConsentRepository;
pub(crate) use service::ConsentService;
pub(crate) use subject::{SubjectApi, SubjectRepository, SubjectService};
