//! An administrator who acts as a patient.

use super::{Rule, Sign, Subject, says, succeeded};
use crate::{audit::NewAuditEvent, security::model::SecuritySeverity};

pub(super) const RULE: Rule =
    Rule { kind: "impersonation", severity: SecuritySeverity::Low, limit: |config| config.impersonation, sign };

fn sign(event: &NewAuditEvent) -> Option<Sign<'_>> {
    let began = succeeded(event) && says(event, "impersonation", "began");
    began.then(|| Subject::actor(event)).flatten().map(Sign::of)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::done, *};
    use crate::audit::AuditOutcome;

    #[test]
    fn each_beginning_counts() {
        let began = done("impersonation", "began");
        assert_eq!(sign(&began), Some(Sign::of(Subject::User(42))));
        assert_eq!(sign(&done("impersonation", "ended")), None);
        assert_eq!(sign(&NewAuditEvent { outcome: AuditOutcome::Denied, ..began }), None);
    }
}
