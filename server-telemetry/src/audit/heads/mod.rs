//! Signed heads: the last link of each day. A copy that is kept elsewhere shows whether the end of a chain was
//! cut off or the whole chain rewritten.

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
