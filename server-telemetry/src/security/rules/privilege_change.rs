//! An actor that grants or revokes privileges: roles of members, new administrators, new API keys.

use super::{Rule, Sign, Subject, says, succeeded};
use crate::{audit::NewAuditEvent, security::model::SecuritySeverity};

pub(super) const RULE: Rule = Rule {
    kind: "privilege_change",
    severity: SecuritySeverity::Medium,
    limit: |config| config.privilege_change,
    sign,
};

fn sign(event: &NewAuditEvent) -> Option<Sign<'_>> {
    let changed = |name: &str| event.changed_fields.iter().any(|field| field.as_ref() == name);
    let rights = says(event, "membership", "updated") && changed("role")
        || says(event, "membership", "admin_granted")
        || says(event, "api_key", "created");
    (rights && succeeded(event)).then(|| Subject::actor(event)).flatten().map(Sign::of)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::done, *};
    use crate::text::Identifier;

    #[test]
    fn rights_are_roles_and_keys() {
        let role = NewAuditEvent { changed_fields: vec![Identifier::literal("role")], ..done("membership", "updated") };
        for event in [role, done("membership", "admin_granted"), done("api_key", "created")] {
            assert_eq!(sign(&event), Some(Sign::of(Subject::User(42))), "{event:?}");
        }
        for event in [done("membership", "updated"), done("membership", "created"), done("api_key", "revoked")] {
            assert_eq!(sign(&event), None, "{event:?}");
        }
    }
}
