//! What stands between the frame and the handlers: who calls, and from where.

pub(crate) mod caller;
pub(crate) mod compliance;
pub(crate) mod compressed;
pub(crate) mod gate;
mod scanner;
mod trace;

pub(crate) use caller::{Member, Person, Role, Service};
pub(crate) use compliance::Client;
pub(crate) use compressed::CompressedBody;
pub(crate) use scanner::scanners;
pub(crate) use trace::Trace;
