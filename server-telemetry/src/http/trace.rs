//! What of a request goes into the audit trail, when somebody reads it and when somebody is refused.

use std::{net::IpAddr, sync::Arc};

use poem::{FromRequest, Request, RequestBody, Result, http::header};
use server_shared::http::{ClientRequestId, Operation, RequestId, client_ip::ClientIp};
use uuid::Uuid;

/// Which request it was, and from where.
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

impl Trace {
    /// That of `request`, which calls this operation.
    pub(crate) fn of(operation_id: &'static str, request: &Request) -> Self {
        Self {
            operation_id,
            request_id: RequestId::of(request).to_owned(),
            client_request_id: ClientRequestId::of(request),
            ip: ClientIp::of(request),
            user_agent: request.header(header::USER_AGENT).map(str::to_owned),
        }
    }
}

impl<'a> FromRequest<'a> for Trace {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> Result<Self> {
        let operation = request.extensions().get::<Arc<Operation>>();
        Ok(Self::of(operation.map_or("unnamed", |operation| operation.id), request))
    }
}
