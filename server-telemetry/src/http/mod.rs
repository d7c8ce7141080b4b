//! Authenticates callers and reads their origin, before the handlers.

mod caller;
mod client;
mod compressed;
mod gate;
mod scanner;
mod trace;

pub(crate) use compressed::CompressedBody;
pub(crate) use gate::TelemetryGate;
pub(crate) use scanner::scanners;
