//! Consents that Core collects for a person, and the users that patients sign in as.
//!
//! A clinic asks for consent before anybody signs in as the patient. Core sends the decisions under the id of the
//! patient record, and, when a user accepts to be the patient, joins the two: from then on the decisions are the
//! user's, unless the user has decided later. Neither depends on the order in which the two messages arrive.

mod api;
mod error;
mod model;
mod repository;
mod service;

pub(crate) use api::SubjectApi;
pub(crate) use repository::SubjectRepository;
pub(crate) use service::SubjectService;
