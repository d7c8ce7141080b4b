//! Who did what: one row a mutating request, one a record of protected health information read.
//!
//! The rows are written in the transaction of the change they speak of, together with their outbox
//! rows; [`forwarder`] brings those to Telemetry.

mod attempts;
mod entry;
mod forwarder;
mod holdings;
mod repository;

pub(crate) use attempts::{AttemptWriter, Attempts};
pub(crate) use entry::{Attempt, Audit, Refusal};
pub(crate) use forwarder::Forwarder;
pub(crate) use holdings::HOLDINGS;
