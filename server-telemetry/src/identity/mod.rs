//! Callers and their privileges: types that every room may import. Knows neither HTTP nor SQL.

mod caller;
mod denied;
mod trace;

pub(crate) use caller::{Caller, Member, Person, Role, Service};
pub(crate) use denied::Denied;
pub(crate) use trace::Trace;
