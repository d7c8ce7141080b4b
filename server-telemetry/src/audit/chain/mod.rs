//! Hash chain of each organization: built by the sealer, checked by `audit_verify`. docs/AUDIT-CHAIN.md
//! specifies it for independent verifiers.

mod api;
mod canonical;
mod link;
mod model;
mod repository;
mod sealer;
mod service;
mod walk;

pub(crate) use api::ChainApi;
pub(super) use canonical::Hash;
pub(super) use link::Head;
pub(super) use repository::{chain_lock, days_unsigned, organizations_chained};
pub(crate) use sealer::Sealer;
pub(crate) use service::ChainService;
