//! The audit trail: what Core forwards, stored once, and its reading by those who answer for it.

mod api;
mod chain;
mod error;
mod heads;
mod job;
mod model;
mod reading;
mod repository;
mod service;

pub(crate) use api::AuditApi;
pub(crate) use chain::{ChainApi, ChainService, Sealer};
pub(crate) use heads::{HeadApi, HeadJob, HeadService, HeadSigner};
pub(crate) use job::PartitionJob;
pub(crate) use repository::partitions_ensure;
pub(crate) use service::AuditService;
