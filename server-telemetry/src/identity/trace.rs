//! The part of a request that goes into the audit trail, when somebody reads it and when somebody is refused.

use std::net::IpAddr;

use uuid::Uuid;

/// A request, and where it comes from.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    /// The operation that was called.
    pub operation_id: &'static str,
    /// The id of the request, ours.
    pub request_id: String,
    /// Id that the caller gave the request; kept with the data that erasure removes.
    pub client_request_id: Option<Uuid>,
    /// The caller's address.
    pub ip: Option<IpAddr>,
    /// The caller's user agent.
    pub user_agent: Option<String>,
}
