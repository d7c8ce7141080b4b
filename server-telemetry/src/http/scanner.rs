//! Records blocked scanners in the audit trail.

use std::sync::Arc;

use server_shared::http::attack::OnBlocked;
use uuid::Uuid;

use crate::{
    audit::{RefusalRecorder, RefusedRequest},
    identity::Trace,
};

/// Name of a blocked attack in entries of the trail.
const OPERATION: &str = "attack_blocked";

/// Records each request of a scan; they are counted together.
pub(crate) fn scanners(attempts: RefusalRecorder) -> OnBlocked {
    Arc::new(move |ip, kind| {
        let trace = Trace {
            operation_id: OPERATION,
            request_id: Uuid::now_v7().to_string(),
            client_request_id: None,
            ip,
            user_agent: None,
        };
        attempts.record(&RefusedRequest { person: None, trace: &trace, error_code: kind.as_str() });
    })
}
