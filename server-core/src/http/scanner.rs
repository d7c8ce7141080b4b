//! Scanners that were turned away, in the audit log.

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;
use server_shared::http::attack::OnBlocked;
use uuid::Uuid;

use crate::audit::{Actor, Attempt, Attempts, Origin, Refusal};

/// What audit rows call it: an attack that was blocked.
const OPERATION: &str = "attack_blocked";
/// A scan is hundreds of requests; an address has one row in this time.
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
        let origin = Origin { ip, ..Origin::own(Actor::Anonymous, OPERATION, Uuid::now_v7()) };
        attempts.record(Attempt {
            origin,
            refusal: Refusal::Denied,
            entity_type: None,
            entity_id: None,
            error_code: kind.as_str().to_owned(),
            occurrences: 1,
        });
    })
}
