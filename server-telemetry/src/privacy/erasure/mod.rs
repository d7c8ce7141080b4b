//! Erasing and handing out what is held on a person, in both stores.

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
pub(crate) use postgres::RowHoldings;
pub(crate) use repository::ErasureRepository;
pub(crate) use runner::ErasureRunner;
pub(crate) use service::ErasureService;
