//! Rules, one in each file, which state the audit events that they observe. Configuration states the number of
//! observations and the window that make a security event.

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

/// All rules.
pub(super) static RULES: [Rule; 7] = [
    attack_path::RULE,
    denied_access::RULE,
    failed_authentication::RULE,
    impersonation::RULE,
    mass_export::RULE,
    patient_access::RULE,
    privilege_change::RULE,
];

/// Rule that observes audit events.
#[derive(Debug)]
pub(super) struct Rule {
    /// Name, which is the kind of the rule's security events; never changes once released.
    pub kind: &'static str,
    /// Severity of the rule's security events.
    pub severity: SecuritySeverity,
    /// Limit at which observations make an event.
    pub limit: fn(&SecurityConfig) -> Limit,
    /// Returns the observation in an audit event, if there is one.
    pub sign: fn(&NewAuditEvent) -> Option<Sign<'_>>,
}

/// Observation of a rule in an audit event.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sign<'a> {
    /// Subject to which the observation is attributed.
    pub subject: Subject,
    /// Objects that are counted, each once in a window; if there are none, the event's occurrences count.
    pub objects: Vec<&'a str>,
}

/// Actor or address whose observations are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    User(i64),
    ApiKey(i64),
    Address(IpAddr),
}

impl Rule {
    /// Returns the number of observations that make an event, and the window in seconds.
    pub(super) fn measure(&self, config: &SecurityConfig) -> (i64, i64) {
        let limit = (self.limit)(config);
        (limit.count.into(), i64::try_from(limit.window.as_secs()).unwrap_or(i64::MAX))
    }
}

impl Subject {
    /// Returns the known actor; the impersonator during an impersonation.
    fn actor(event: &NewAuditEvent) -> Option<Self> {
        let user = event.impersonator_user_id.or(event.actor_user_id).map(Self::User);
        user.or(event.actor_api_key_id.map(Self::ApiKey))
    }

    /// Returns the address of a caller that is not authenticated; `None` if the event has no address.
    fn stranger(event: &NewAuditEvent) -> Option<Self> {
        let anonymous = event.actor_kind == ActorKind::Anonymous && event.outcome == AuditOutcome::Denied;
        let ip = event.ip.as_ref().filter(|_| anonymous)?;
        ip.as_ref().parse().ok().map(|ip| Self::Address(subscriber(ip)))
    }
}

impl Sign<'_> {
    /// Makes an observation that counts the event itself.
    fn of(subject: Subject) -> Self {
        Self { subject, objects: Vec::new() }
    }
}

/// Returns `true` if the action succeeded.
fn succeeded(event: &NewAuditEvent) -> bool {
    event.outcome == AuditOutcome::Succeeded
}

/// Returns `true` if `event` has this entity type and action.
fn says(event: &NewAuditEvent, entity_type: &str, action: &str) -> bool {
    event.entity_type.as_ref() == entity_type && event.action.as_ref() == action
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use poem_openapi::types::Example;

    use super::*;
    use crate::text::{Address, Word};

    /// Returns an event in which user 42 acted successfully from 203.0.113.77.
    pub(super) fn done(entity_type: &'static str, action: &'static str) -> NewAuditEvent {
        NewAuditEvent {
            entity_type: Word::literal(entity_type),
            action: Word::literal(action),
            changed_fields: Vec::new(),
            ..NewAuditEvent::example()
        }
    }

    /// Returns an event in which a caller that is not authenticated was refused.
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
