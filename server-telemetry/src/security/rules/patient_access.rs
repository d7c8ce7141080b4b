//! An actor that reads the data of many different patients in a short time.

use super::{Rule, Sign, Subject, says, succeeded};
use crate::{audit::NewAuditEvent, security::model::SecuritySeverity};

pub(super) const RULE: Rule =
    Rule { kind: "patient_access", severity: SecuritySeverity::High, limit: |config| config.patient_access, sign };

fn sign(event: &NewAuditEvent) -> Option<Sign<'_>> {
    if !(succeeded(event) && says(event, "patient", "read")) {
        return None;
    }
    let patients: Vec<&str> = event.entity_id.iter().chain(&event.entity_ids).map(AsRef::as_ref).collect();
    // Search without a result.
    if patients.is_empty() {
        return None;
    }
    Some(Sign { subject: Subject::actor(event)?, objects: patients })
}

#[cfg(test)]
mod tests {
    use super::{super::tests::done, *};
    use crate::text::Identifier;

    #[test]
    fn each_patient_counts() {
        let one = done("patient", "read");
        assert_eq!(sign(&one), Some(Sign { subject: Subject::User(42), objects: vec!["1041"] }));
        let many = NewAuditEvent {
            entity_id: None,
            entity_ids: vec![Identifier::literal("7"), Identifier::literal("8")],
            ..one.clone()
        };
        assert_eq!(sign(&many).map(|sign| sign.objects), Some(vec!["7", "8"]));
        assert_eq!(sign(&NewAuditEvent { entity_id: None, ..one }), None, "nobody was found");
        assert_eq!(sign(&done("appointment", "read")), None);
        assert_eq!(sign(&done("patient", "updated")), None);
    }
}
