//! What people agreed to.

mod api;
mod cache;
mod model;
mod repository;
mod service;

pub(crate) use api::PrivacyApi;
pub(crate) use cache::ConsentCache;
pub(crate) use model::Purpose;
pub(crate) use repository::ConsentRepository;
pub(crate) use service::ConsentService;
