//! Callers, and what they may do: types that everything may know. Knows no HTTP and no SQL.

mod caller;
mod denied;
mod trace;

pub(crate) use caller::{Caller, Member, Person, Role, Service};
pub(crate) use denied::Denied;
pub(crate) use trace::Trace;
