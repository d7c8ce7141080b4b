//! Limits at which audit events become security events.

use std::time::Duration;

use server_shared::config::{Setting, Settings};

/// Longest window of any rule.
const LONGEST_WINDOW: Duration = Duration::from_hours(24);

/// Number of observations within a window that makes a security event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    /// Number of observations, at least 1.
    pub count: u32,
    /// Length of the window in whole seconds, from one second to a day.
    pub window: Duration,
}

impl Limit {
    const fn new(count: u32, window: Duration) -> Self {
        Self { count, window }
    }
}

impl Setting for Limit {
    const SHOULD_BE: &'static str = "a count from 1 and a window of whole seconds up to a day, such as 10/5m";

    fn parse(text: &str) -> Option<Self> {
        let (count, window) = text.split_once('/')?;
        let limit = Self::new(Setting::parse(count.trim())?, Setting::parse(window.trim())?);
        let usable = limit.count > 0
            && limit.window.subsec_nanos() == 0
            && (Duration::from_secs(1)..=LONGEST_WINDOW).contains(&limit.window);
        usable.then_some(limit)
    }
}

/// Limits of the rules.
#[derive(Debug, Clone)]
pub(crate) struct SecurityConfig {
    /// `SECURITY_ATTACK_PATH`: scans from an address; the scans of one minute count as one.
    pub attack_path: Limit,
    /// `SECURITY_DENIED_ACCESS`: attempts of an actor that were denied.
    pub denied_access: Limit,
    /// `SECURITY_FAILED_AUTHENTICATION`: wrong credentials from an address.
    pub failed_authentication: Limit,
    /// `SECURITY_IMPERSONATION`: impersonations that an administrator started.
    pub impersonation: Limit,
    /// `SECURITY_MASS_EXPORT`: exports by an actor.
    pub mass_export: Limit,
    /// `SECURITY_PATIENT_ACCESS`: different patients whose data an actor read.
    pub patient_access: Limit,
    /// `SECURITY_PRIVILEGE_CHANGE`: privileges that an actor granted or revoked.
    pub privilege_change: Limit,
}

impl SecurityConfig {
    /// Reads the limits of all rules.
    pub(super) fn read(settings: &mut Settings) -> Option<Self> {
        let attack_path = settings.or("SECURITY_ATTACK_PATH", Limit::new(1, Duration::from_hours(1)));
        let denied_access = settings.or("SECURITY_DENIED_ACCESS", Limit::new(10, Duration::from_mins(10)));
        let failed_authentication =
            settings.or("SECURITY_FAILED_AUTHENTICATION", Limit::new(20, Duration::from_mins(10)));
        let impersonation = settings.or("SECURITY_IMPERSONATION", Limit::new(1, Duration::from_hours(1)));
        let mass_export = settings.or("SECURITY_MASS_EXPORT", Limit::new(10, Duration::from_hours(1)));
        let patient_access = settings.or("SECURITY_PATIENT_ACCESS", Limit::new(200, Duration::from_mins(10)));
        let privilege_change = settings.or("SECURITY_PRIVILEGE_CHANGE", Limit::new(1, Duration::from_hours(1)));
        Some(Self {
            attack_path: attack_path?,
            denied_access: denied_access?,
            failed_authentication: failed_authentication?,
            impersonation: impersonation?,
            mass_export: mass_export?,
            patient_access: patient_access?,
            privilege_change: privilege_change?,
        })
    }

    /// Returns the longest window of all rules.
    pub(crate) fn longest_window(&self) -> Duration {
        let Self {
            attack_path,
            denied_access,
            failed_authentication,
            impersonation,
            mass_export,
            patient_access,
            privilege_change,
        } = self;
        [
            attack_path,
            denied_access,
            failed_authentication,
            impersonation,
            mass_export,
            patient_access,
            privilege_change,
        ]
        .into_iter()
        .map(|limit| limit.window)
        .max()
        .unwrap_or(LONGEST_WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_count_and_a_window() {
        assert_eq!(Limit::parse("10/5m"), Some(Limit::new(10, Duration::from_mins(5))));
        assert_eq!(Limit::parse("1 / 24h"), Some(Limit::new(1, LONGEST_WINDOW)));
        for wrong in ["", "10", "10/", "/5m", "0/5m", "-1/5m", "10/0s", "10/1500ms", "10/25h", "10/5m/5m"] {
            assert_eq!(Limit::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sightings_are_kept_for_the_longest_window() {
        let mut settings = Settings::from_pairs([("SECURITY_MASS_EXPORT", "3/8h")]);
        let config = SecurityConfig::read(&mut settings).unwrap();
        assert_eq!(config.longest_window(), Duration::from_hours(8));
        assert_eq!((config.mass_export.count, config.denied_access.count), (3, 10));
    }
}
