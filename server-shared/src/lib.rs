//! Infrastructure that both RestartiX servers share: the HTTP frame around poem-openapi handlers, the error
//! envelope, the finishing of the specification, configuration, cryptography, rate limits, tokens, leases,
//! logging and shutdown. It knows no domain and no database.

pub mod address;
pub mod allocator;
pub mod attempts;
pub mod backoff;
pub mod client;
pub mod config;
pub mod crypto;
pub mod error;
pub mod http;
pub mod lease;
pub mod logging;
pub mod mark;
pub mod outbound;
pub mod rate_limit;
pub mod shutdown;
pub mod slug;
pub mod token;
pub mod value;

pub use error::{ApiError, ErrorEnvelope, causes};
