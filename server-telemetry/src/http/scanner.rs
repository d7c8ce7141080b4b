//! Scanners that were turned away, in the audit trail.

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;
use server_shared::http::attack::OnBlocked;
use uuid::Uuid;

use super::Trace;
use crate::audit::{Attempt, Attempts};

/// What entries of the trail call it: an attack that was blocked.
const OPERATION: &str = "attack_blocked";
/// A scan is hundreds of requests; an address has one entry in this time.
const ONE_SCAN: Duration = Duration::from_mins(1);
/// Addresses that are remembered at once.
const ADDRESSES: u64 = 10_000;

/// Records each scan.
pub(crate) fn scanners(attempts: Attempts) -> OnBlocked {
    let known = Cache::builder().max_capacity(ADDRESSES).time_to_live(ONE_SCAN).build();
    Arc::new(move |ip, kind| {
        if !known.entry(ip).or_insert(()).is_fresh() {
            return;
        }
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
