//! The rules, one a file: what each takes notice of in an audit event. How much of it within how long
//! makes a security event is configuration.

mod attack_path;
mod denied_access;
mod failed_authentication;
mod impersonation;
mod mass_export;
mod patient_access;
mod privilege_change;

use std::net::IpAddr;

use server_shared::address::subscriber;

use super::model::SecuritySeverity;
use crate::{
    audit::{ActorKind, AuditOutcome, NewAuditEvent},
    config::{Limit, SecurityConfig},
};

/// Every rule.
pub(super) static RULES: [Rule; 7] = [
    attack_path::RULE,
    denied_access::RULE,
    failed_authentication::RULE,
    impersonation::RULE,
    mass_export::RULE,
    patient_access::RULE,
    privilege_change::RULE,
];

/// A rule.
#[derive(Debug)]
pub(super) struct Rule {
    /// Its name, which is the kind of its security events; never changes once released.
    pub kind: &'static str,
    /// How bad it is.
    pub severity: SecuritySeverity,
    /// How much of it makes an event.
    pub limit: fn(&SecurityConfig) -> Limit,
    /// What it takes notice of, if anything.
    pub sign: fn(&NewAuditEvent) -> Option<Sign<'_>>,
}

/// What a rule takes notice of in an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sign<'a> {
    /// Whose doing it is.
    pub subject: Subject,
    /// What is counted, each thing once in a window; where it is none, the event's occurrences are.
    pub objects: Vec<&'a str>,
}

/// Whose doings are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    User(i64),
    ApiKey(i64),
    Address(IpAddr),
}

impl Rule {
    /// How often it has to be seen, and within how many seconds.
    pub(super) fn measure(&self, config: &SecurityConfig) -> (i64, i64) {
        let limit = (self.limit)(config);
        (limit.count.into(), i64::try_from(limit.window.as_secs()).unwrap_or(i64::MAX))
    }
}

impl Subject {
    /// The known actor. Who impersonates acts, not who is impersonated.
    fn actor(event: &NewAuditEvent) -> Option<Self> {
        let user = event.impersonator_user_id.or(event.actor_user_id).map(Self::User);
        user.or(event.actor_api_key_id.map(Self::ApiKey))
    }

    /// The address of somebody who is not known. A count without an address is nobody's.
    fn stranger(event: &NewAuditEvent) -> Option<Self> {
        let anonymous = event.actor_kind == ActorKind::Anonymous && event.outcome == AuditOutcome::Denied;
        let ip = event.ip.as_ref().filter(|_| anonymous)?;
        ip.as_ref().parse().ok().map(|ip| Self::Address(subscriber(ip)))
    }
}

impl Sign<'_> {
    /// The event as such counts.
    fn of(subject: Subject) -> Self {
        Self { subject, objects: Vec::new() }
    }
}

/// Whether it was done.
fn succeeded(event: &NewAuditEvent) -> bool {
    event.outcome == AuditOutcome::Succeeded
}

/// Whether `event` says this of that.
fn says(event: &NewAuditEvent, entity_type: &str, action: &str) -> bool {
    event.entity_type.as_ref() == entity_type && event.action.as_ref() == action
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use poem_openapi::types::Example;

    use super::*;
    use crate::text::{Address, Word};

    /// Something that user 42 did, successfully, from 203.0.113.77.
    pub(super) fn done(entity_type: &'static str, action: &'static str) -> NewAuditEvent {
        NewAuditEvent {
            entity_type: Word::literal(entity_type),
            action: Word::literal(action),
            changed_fields: Vec::new(),
            ..NewAuditEvent::example()
        }
    }

    /// Something that somebody unknown was refused.
    pub(super) fn refused(operation: (&'static str, &'static str), code: &'static str) -> NewAuditEvent {
        NewAuditEvent {
            actor_kind: ActorKind::Anonymous,
            actor_user_id: None,
            outcome: AuditOutcome::Denied,
            error_code: Some(Word::literal(code)),
            ..done(operation.0, operation.1)
        }
    }

    #[test]
    fn rules_have_names_of_their_own() {
        let names: BTreeSet<&str> = RULES.iter().map(|rule| rule.kind).collect();
        assert_eq!(names.len(), RULES.len());
    }

    #[test]
    fn who_impersonates_acts() {
        let event = done("patient", "read");
        assert_eq!(Subject::actor(&event), Some(Subject::User(42)));
        let impersonating = NewAuditEvent { impersonator_user_id: Some(9), ..event.clone() };
        assert_eq!(Subject::actor(&impersonating), Some(Subject::User(9)));
        let key = NewAuditEvent { actor_user_id: None, actor_api_key_id: Some(3), ..event };
        assert_eq!(Subject::actor(&key), Some(Subject::ApiKey(3)));
    }

    #[test]
    fn a_stranger_is_an_address() {
        let event = refused(("patient", "list"), "unauthenticated");
        let address = Subject::Address("203.0.113.77".parse().unwrap());
        assert_eq!(Subject::stranger(&event), Some(address));
        assert_eq!(Subject::stranger(&done("patient", "list")), None, "somebody known");
        assert_eq!(Subject::stranger(&NewAuditEvent { ip: None, ..event.clone() }), None, "a count without addresses");
        assert_eq!(Subject::stranger(&NewAuditEvent { ip: Some(Address::literal("1.2.3")), ..event }), None);
    }
}
