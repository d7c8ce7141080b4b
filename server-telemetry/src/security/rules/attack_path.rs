//! Requests for paths that only scanners request. The services record one entry for each minute and network.

use super::{Rule, Sign, Subject, says};
use crate::{audit::NewAuditEvent, security::model::SecuritySeverity};

pub(super) const RULE: Rule =
    Rule { kind: "attack_path", severity: SecuritySeverity::Medium, limit: |config| config.attack_path, sign };

/// Returns `true` if the event is a rejected request of a scanner.
pub(super) fn is_attack(event: &NewAuditEvent) -> bool {
    says(event, "attack", "blocked")
}

fn sign(event: &NewAuditEvent) -> Option<Sign<'_>> {
    is_attack(event).then(|| Subject::stranger(event)).flatten().map(Sign::of)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::refused, *};

    #[test]
    fn a_scanner_is_an_address() {
        let address = Subject::Address("203.0.113.77".parse().unwrap());
        assert_eq!(sign(&refused(("attack", "blocked"), "secrets")), Some(Sign::of(address)));
        assert_eq!(sign(&refused(("patient", "list"), "unauthenticated")), None);
    }
}
