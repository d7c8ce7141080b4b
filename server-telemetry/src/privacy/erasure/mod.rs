//! Export and erasure of a person's data in both stores.

mod api;
mod clickhouse;
mod error;
mod export;
mod model;
mod postgres;
mod repository;
mod runner;
mod service;

pub(crate) use api::ErasureApi;
pub(crate) use clickhouse::EventHoldings;
pub(crate) use export::Exporter;
pub(crate) use model::SubjectKind;
pub(crate) use postgres::RowHoldings;
pub(crate) use repository::ErasureRepository;
pub(crate) use runner::ErasureRunner;
pub(crate) use service::ErasureService;
