//! How long a failed job waits.

use std::time::Duration;

use uuid::Uuid;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(10);

/// The pause before the next attempt: doubles with each, half of it random, so that jobs that failed
/// together don't come back together.
pub(super) fn pause(attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(16);
    let full = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    // A random UUID spares a dependency on a random number generator.
    let random = f64::from(Uuid::new_v4().as_fields().0) / f64::from(u32::MAX);
    full.mul_f64(0.5 + random / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_cap() {
        for (attempts, full) in [(1, 1), (2, 2), (4, 8), (10, 512), (11, 600), (i32::MAX, 600)] {
            let full = Duration::from_secs(full);
            let pause = pause(attempts);
            assert!(pause >= full / 2 && pause <= full, "after {attempts} attempts: {pause:?}");
        }
    }
}
