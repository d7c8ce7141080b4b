//! A known actor that repeatedly attempts actions that it is not allowed.

use super::{Rule, Sign, Subject};
use crate::{
    audit::{AuditOutcome, NewAuditEvent},
    security::model::SecuritySeverity,
};

pub(super) const RULE: Rule =
    Rule { kind: "denied_access", severity: SecuritySeverity::Medium, limit: |config| config.denied_access, sign };

fn sign(event: &NewAuditEvent) -> Option<Sign<'_>> {
    let denied = event.outcome == AuditOutcome::Denied;
    denied.then(|| Subject::actor(event)).flatten().map(Sign::of)
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{done, refused},
        *,
    };

    #[test]
    fn only_what_was_denied_to_somebody_known_counts() {
        let denied = NewAuditEvent { outcome: AuditOutcome::Denied, ..done("appointment", "delete") };
        assert_eq!(sign(&denied), Some(Sign::of(Subject::User(42))));
        let failed = NewAuditEvent { outcome: AuditOutcome::Failed, ..denied };
        assert_eq!(sign(&failed), None, "it was allowed to try");
        assert_eq!(sign(&done("appointment", "delete")), None);
        assert_eq!(sign(&refused(("patient", "list"), "unauthenticated")), None, "another rule's");
    }
}
