//! An actor that exports large amounts of data.

use super::{Rule, Sign, Subject, succeeded};
use crate::{audit::NewAuditEvent, security::model::SecuritySeverity};

pub(super) const RULE: Rule =
    Rule { kind: "mass_export", severity: SecuritySeverity::High, limit: |config| config.mass_export, sign };

fn sign(event: &NewAuditEvent) -> Option<Sign<'_>> {
    let exported = succeeded(event) && event.action.as_ref() == "exported";
    exported.then(|| Subject::actor(event)).flatten().map(Sign::of)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::done, *};

    #[test]
    fn exports_of_anything_count() {
        for entity_type in ["patient", "user", "appointment"] {
            assert_eq!(sign(&done(entity_type, "exported")), Some(Sign::of(Subject::User(42))), "{entity_type}");
        }
        assert_eq!(sign(&done("patient", "read")), None);
    }
}
