//! Scanners that were turned away, in the audit log.

use std::sync::Arc;

use server_shared::http::attack::OnBlocked;
use uuid::Uuid;

use crate::audit::{Refusal, RefusedRequest, RefusedRequests};
use crate::identity::{Actor, Origin};

/// Name of a blocked attack in audit rows.
const OPERATION: &str = "attack_blocked";

/// Records each request of a scan; they are counted together.
pub(crate) fn scanners(attempts: RefusedRequests) -> OnBlocked {
    Arc::new(move |ip, kind| {
        let origin = Origin { ip, ..Origin::own(Actor::Anonymous, OPERATION, Uuid::now_v7()) };
        attempts.record(RefusedRequest {
            origin,
            refusal: Refusal::Denied,
            entity_type: None,
            entity_id: None,
            error_code: kind.as_str().to_owned(),
            occurrences: 1,
        });
    })
}
