//! Security events: patterns that only several audit events together show.
//!
//! They are derived in the transaction that stores the audit events, and only from new ones, so that a batch
//! that is sent again derives nothing twice. Each rule records its observations (sightings). When enough
//! sightings of a subject lie within the rule's window, there is a security event. It goes on until the subject
//! has been quiet for a window.

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
