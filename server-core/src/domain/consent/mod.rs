//! Consents that a clinic collects, on their way to Telemetry, which alone keeps them.
//!
//! A decision is a row of an outbox in the transaction that it belongs to, and [`job`] sends it: each arrives once, and
//! its row is deleted then. When a user accepts to sign in as a patient, another job joins the two at Telemetry, so
//! that the decisions of the patient become the user's; so do those of records that were merged into the patient.

mod holdings;
mod job;
mod model;
mod repository;
mod service;

pub(crate) use holdings::HOLDINGS;
pub(crate) use job::{ConsentJoiner, ConsentPusher, patient_join, recorded_push};
pub(crate) use model::ConsentDecision;
pub(crate) use service::consents_record;
