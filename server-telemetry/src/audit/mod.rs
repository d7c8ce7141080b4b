//! The audit trail: what Core forwards, stored once, and its reading by those who answer for it.

mod api;
mod error;
mod model;
mod repository;
mod service;

pub(crate) use api::AuditApi;
pub(crate) use repository::AuditRepository;
pub(crate) use service::AuditService;
