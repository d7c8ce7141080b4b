//! Audit trail: stores the events that Core forwards, each once, and serves them to administrators.

mod api;
mod chain;
mod error;
mod heads;
mod job;
mod model;
mod reading;
mod refusals;
mod repository;
mod service;
mod watcher;

pub(crate) use api::AuditApi;
pub(crate) use chain::{ChainApi, ChainService, Sealer};
pub(crate) use error::AuditError;
pub(crate) use heads::{HeadApi, HeadJob, HeadService, HeadSigner};
pub(crate) use job::PartitionJob;
pub(crate) use model::{ActorKind, AuditOutcome, CursorMeta, NewAuditEvent};
pub(crate) use reading::Reader;
pub(crate) use refusals::{RefusalRecorder, RefusalWriter, RefusedRequest};
pub(crate) use repository::{insert, partitions_ensure};
pub(crate) use service::AuditService;
pub(crate) use watcher::Watcher;
