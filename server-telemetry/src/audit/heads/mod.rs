//! Signed heads: the last link of each day, so that whoever keeps them elsewhere can tell whether the
//! end of a chain was cut off, or all of it written anew.

mod api;
mod job;
mod model;
mod repository;
mod service;
mod signer;

pub(crate) use api::HeadApi;
pub(crate) use job::HeadJob;
pub(crate) use service::HeadService;
pub(crate) use signer::HeadSigner;
