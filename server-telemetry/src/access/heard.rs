//! Revocations that this process has received.
//!
//! They are few, so the process keeps all of them: a request costs two look-ups in memory. They are trusted
//! only while the database has answered a moment ago; see [`super::listener`].

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};

use super::model::AccessRevocation;

/// Time after an answer of the database during which the process assumes that it has missed no revocation.
const BELIEVED: Duration = Duration::from_millis(750);

/// User, and the organization of the tokens; `None` for the tokens of all organizations.
type RevocationKey = (i64, Option<i64>);

#[derive(Debug, Clone, Copy)]
struct Revoked {
    not_before: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

/// Revocations that this process has received, and the time up to which it has received all of them.
#[derive(Debug, Default)]
pub(super) struct Heard(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    revoked: HashMap<RevocationKey, Revoked>,
    at: Option<Instant>,
}

impl Heard {
    /// Adds a revocation; of two with the same key, the later one counts.
    pub(super) fn note(&self, revocation: &AccessRevocation) {
        let AccessRevocation { user_id, organization_id, not_before, expires_at } = *revocation;
        let mut state = self.state();
        let known = state.revoked.entry((user_id, organization_id)).or_insert(Revoked { not_before, expires_at });
        known.not_before = known.not_before.max(not_before);
        known.expires_at = known.expires_at.max(expires_at);
    }

    /// Records that every revocation committed before `since` has been received.
    pub(super) fn up_to(&self, since: Instant) {
        self.state().at = Some(since);
    }

    /// Records that revocations are no longer received.
    pub(super) fn deafen(&self) {
        self.state().at = None;
    }

    /// Returns `Some(true)` if a token of this user and organization, issued at `issued_at`, has been revoked,
    /// `Some(false)` if it has not, and `None` if this process may have missed revocations.
    pub(super) fn is_revoked(&self, user: i64, organization: Option<i64>, issued_at: DateTime<Utc>) -> Option<bool> {
        let state = self.state();
        let before = |whose: RevocationKey| state.revoked.get(&whose).is_some_and(|known| issued_at < known.not_before);
        if before((user, None)) || organization.is_some() && before((user, organization)) {
            return Some(true);
        }
        state.at.is_some_and(|at| at.elapsed() < BELIEVED).then_some(false)
    }

    /// Removes the revocations that have expired.
    pub(super) fn sweep(&self, now: DateTime<Utc>) {
        self.state().revoked.retain(|_, known| known.expires_at > now);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_762_765_200 + seconds, 0).unwrap()
    }

    fn revocation(organization_id: Option<i64>, seconds: i64) -> AccessRevocation {
        let not_before = at(seconds);
        AccessRevocation { user_id: 7, organization_id, not_before, expires_at: not_before + TimeDelta::days(1) }
    }

    fn hearing(revocations: &[AccessRevocation]) -> Heard {
        let heard = Heard::default();
        for revocation in revocations {
            heard.note(revocation);
        }
        heard.up_to(Instant::now());
        heard
    }

    #[test]
    fn tokens_issued_before_are_refused_where_it_was_said() {
        let heard = hearing(&[revocation(Some(3), 10)]);
        assert_eq!(heard.is_revoked(7, Some(3), at(9)), Some(true));
        assert_eq!(heard.is_revoked(7, Some(3), at(10)), Some(false), "issued at that very moment");
        assert_eq!(heard.is_revoked(7, Some(4), at(9)), Some(false));
        assert_eq!(heard.is_revoked(7, None, at(9)), Some(false));
        assert_eq!(heard.is_revoked(8, Some(3), at(9)), Some(false));
        let everywhere = hearing(&[revocation(None, 10)]);
        assert_eq!(everywhere.is_revoked(7, Some(3), at(9)), Some(true));
        assert_eq!(everywhere.is_revoked(7, None, at(9)), Some(true));
    }

    #[test]
    fn the_latest_moment_counts_in_whatever_order() {
        for order in [[5, 10], [10, 5]] {
            let heard = hearing(&order.map(|seconds| revocation(None, seconds)));
            assert_eq!(heard.is_revoked(7, None, at(9)), Some(true));
        }
    }

    #[test]
    fn silence_is_no_permission() {
        let heard = Heard::default();
        assert_eq!(heard.is_revoked(7, None, at(0)), None, "nothing was heard yet");
        heard.up_to(Instant::now().checked_sub(BELIEVED).unwrap());
        assert_eq!(heard.is_revoked(7, None, at(0)), None, "nothing was heard for too long");
        heard.up_to(Instant::now());
        heard.deafen();
        heard.note(&revocation(None, 10));
        assert_eq!(heard.is_revoked(7, None, at(20)), None);
        assert_eq!(heard.is_revoked(7, None, at(9)), Some(true), "what is known is known");
    }

    #[test]
    fn what_makes_no_difference_is_forgotten() {
        let heard = hearing(&[revocation(None, 10)]);
        heard.sweep(at(11));
        assert_eq!(heard.is_revoked(7, None, at(9)), Some(true));
        heard.sweep(at(10) + TimeDelta::days(1));
        assert!(heard.state().revoked.is_empty());
    }
}
