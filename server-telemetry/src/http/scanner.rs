//! Records blocked scanners in the audit trail.

use std::sync::Arc;

use server_shared::http::attack::OnBlocked;
use uuid::Uuid;

use crate::{
    audit::{Attempt, Attempts},
    identity::Trace,
};

/// Name of a blocked attack in entries of the trail.
const OPERATION: &str = "attack_blocked";

/// Records each request of a scan; the trail counts them together.
pub(crate) fn scanners(attempts: Attempts) -> OnBlocked {
    Arc::new(move |ip, kind| {
        let trace = Trace {
            operation_id: OPERATION,
            request_id: Uuid::now_v7().to_string(),
            client_request_id: None,
            ip,
            user_agent: None,
        };
        attempts.record(&Attempt { person: None, trace: &trace, error_code: kind.as_str() });
    })
}
