//! Security events: what audit events say together that none of them says alone.
//!
//! They are derived in the transaction that stores the audit events, from those that are new: a batch
//! that comes again derives nothing twice. Each rule notes what it saw (a sighting); when enough of a
//! subject's sightings lie within the rule's window, there is a security event, which counts on until
//! the subject has been quiet for a window.

mod api;
mod detector;
mod job;
mod model;
mod repository;
mod rules;
mod service;
mod sighting;

pub(crate) use api::SecurityApi;
pub(crate) use detector::Detector;
pub(crate) use job::SweepJob;
pub(crate) use service::SecurityService;
