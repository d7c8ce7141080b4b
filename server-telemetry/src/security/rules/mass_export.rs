//! An actor that exports large amounts of data.

use super::{Rule, Sign, Subject, says, succeeded};
use crate::{audit::NewAuditEvent, security::model::SecuritySeverity};

pub(super) const RULE: Rule =
    Rule { kind: "mass_export", severity: SecuritySeverity::High, limit: |config| config.mass_export, sign };

fn sign(event: &NewAuditEvent) -> Option<Sign<'_>> {
    // A file is written by a job, which has no actor: it counts when somebody asks for it.
    let exported = event.action.as_ref() == "exported" || says(event, "export", "requested");
    (exported && succeeded(event)).then(|| Subject::actor(event)).flatten().map(Sign::of)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::done, *};

    #[test]
    fn exports_of_anything_count() {
        for entity_type in ["patient", "user", "export"] {
            assert_eq!(sign(&done(entity_type, "exported")), Some(Sign::of(Subject::User(42))), "{entity_type}");
        }
        assert_eq!(sign(&done("export", "requested")), Some(Sign::of(Subject::User(42))));
        for (entity_type, action) in [("patient", "read"), ("erasure", "requested"), ("export", "completed")] {
            assert_eq!(sign(&done(entity_type, action)), None, "{entity_type} {action}");
        }
    }
}
