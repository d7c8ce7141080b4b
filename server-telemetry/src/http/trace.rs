//! Reads a [`Trace`] from a request.

use std::sync::Arc;

use poem::{FromRequest, Request, RequestBody, Result, http::header};
use server_shared::http::{ClientRequestId, Operation, RequestId, client_ip::ClientIp};

use crate::identity::Trace;

/// Returns the trace of `request`, which calls this operation.
pub(super) fn trace_of(operation_id: &'static str, request: &Request) -> Trace {
    Trace {
        operation_id,
        request_id: RequestId::of(request).to_owned(),
        client_request_id: ClientRequestId::of(request),
        ip: ClientIp::of(request),
        user_agent: request.header(header::USER_AGENT).map(str::to_owned),
    }
}

impl<'a> FromRequest<'a> for Trace {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> Result<Self> {
        let operation = request.extensions().get::<Arc<Operation>>();
        Ok(trace_of(operation.map_or("unnamed", |operation| operation.id), request))
    }
}
