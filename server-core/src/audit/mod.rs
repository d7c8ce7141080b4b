//! Audit log: one row for each mutating request, and one for each record of protected health information read.
//!
//! The rows are written in the transaction of the change that they describe, together with their outbox rows;
//! [`forwarder`] sends those to Telemetry.

mod entry;
mod forwarder;
mod holdings;
mod refused;
mod repository;

pub(crate) use entry::{Audit, Refusal, RefusedRequest};
pub(crate) use forwarder::Forwarder;
pub(crate) use holdings::HOLDINGS;
pub(crate) use refused::{RefusedRequestWriter, RefusedRequests};
