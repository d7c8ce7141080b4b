//! Part of a request that goes into the audit trail when somebody reads the trail or is refused.

use std::net::IpAddr;

use uuid::Uuid;

/// Request, with the address that it comes from.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    /// Operation that was called.
    pub operation_id: &'static str,
    /// Id that this service gave the request.
    pub request_id: String,
    /// Id that the client gave the request; stored with the data that erasure removes.
    pub client_request_id: Option<Uuid>,
    /// Address of the caller.
    pub ip: Option<IpAddr>,
    /// User agent of the caller.
    pub user_agent: Option<String>,
}
