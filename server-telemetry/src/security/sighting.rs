//! Observations of the rules in a batch, and the security events that may follow from them.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use server_shared::crypto::KeyedHash;
use uuid::Uuid;

use super::rules::{RULES, Rule, Subject};
use crate::audit::NewAuditEvent;

/// Maximum number of audit entries to which an event refers.
const EVIDENCE: usize = 20;

/// Observation of a rule.
#[derive(Debug, Clone)]
pub(super) struct Sighting {
    pub rule: &'static Rule,
    pub organization_id: i64,
    pub subject: String,
    /// Object that is counted once in a window; empty if every event counts.
    pub object: String,
    pub seen_at: DateTime<Utc>,
    pub audit_id: Uuid,
    pub weight: i64,
}

/// Subject with new sightings, for which a security event may be due or go on.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// Id of the security event, if there will be one.
    pub id: Uuid,
    pub rule: &'static Rule,
    pub organization_id: i64,
    pub subject: String,
    pub weight: i64,
    pub first_seen_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
    /// Ids of the audit entries, the newest first.
    pub audit_ids: Vec<Uuid>,
}

impl Candidate {
    /// Returns the id of the user, if the subject is one.
    pub(super) fn user(&self) -> Option<i64> {
        self.subject.strip_prefix(USER)?.parse().ok()
    }

    /// Returns the id of the API key, if the subject is one.
    pub(super) fn api_key(&self) -> Option<i64> {
        self.subject.strip_prefix(API_KEY)?.parse().ok()
    }
}

const USER: &str = "user:";
const API_KEY: &str = "api_key:";

/// Returns the observations of the rules in `events`. An object that counts once in a window appears once.
pub(super) fn of<'a>(events: impl Iterator<Item = &'a NewAuditEvent>, hash: &KeyedHash) -> Vec<Sighting> {
    let mut sightings = Vec::new();
    let mut known = HashSet::new();
    for event in events {
        for rule in &RULES {
            let Some(sign) = (rule.sign)(event) else { continue };
            let subject = name(sign.subject, hash);
            let seen = Sighting {
                rule,
                organization_id: event.organization_id,
                subject,
                object: String::new(),
                seen_at: event.occurred_at.get(),
                audit_id: event.id,
                weight: event.occurrences,
            };
            if sign.objects.is_empty() {
                sightings.push(seen);
                continue;
            }
            for object in sign.objects {
                if known.insert((rule.kind, seen.organization_id, seen.subject.clone(), object)) {
                    let object = hash.hex(&format!("{}:{object}", seen.organization_id));
                    sightings.push(Sighting { object, weight: 1, ..seen.clone() });
                }
            }
        }
    }
    sightings
}

/// Returns the subjects of these sightings.
pub(super) fn candidates(mut sightings: Vec<Sighting>) -> Vec<Candidate> {
    // The newest first, for the list of audit entries.
    sightings.sort_by_key(|sighting| std::cmp::Reverse((sighting.seen_at, sighting.audit_id)));
    let mut candidates: BTreeMap<(i64, &str, String), Candidate> = BTreeMap::new();
    for Sighting { rule, organization_id, subject, seen_at, audit_id, weight, .. } in sightings {
        let key = (organization_id, rule.kind, subject.clone());
        let candidate = candidates.entry(key).or_insert_with(|| Candidate {
            id: Uuid::now_v7(),
            rule,
            organization_id,
            subject,
            weight: 0,
            first_seen_at: seen_at,
            last_seen_at: seen_at,
            audit_ids: Vec::new(),
        });
        candidate.weight = candidate.weight.saturating_add(weight);
        candidate.first_seen_at = candidate.first_seen_at.min(seen_at);
        if candidate.audit_ids.len() < EVIDENCE && candidate.audit_ids.last() != Some(&audit_id) {
            candidate.audit_ids.push(audit_id);
        }
    }
    candidates.into_values().collect()
}

/// Returns the name of a subject in rows. Addresses are personal data, so only their keyed hash is stored.
fn name(subject: Subject, hash: &KeyedHash) -> String {
    match subject {
        Subject::User(id) => format!("{USER}{id}"),
        Subject::ApiKey(id) => format!("{API_KEY}{id}"),
        Subject::Address(ip) => format!("address:{}", hash.hex(&format!("ip:{ip}"))),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use poem_openapi::types::Example;
    use server_shared::{crypto::Key32, value::Moment};

    use super::*;
    use crate::{
        audit::{ActorKind, AuditOutcome},
        text::{Identifier, Word},
    };

    fn hash() -> KeyedHash {
        KeyedHash::new(Key32::from_bytes([7; 32]))
    }

    fn event() -> NewAuditEvent {
        NewAuditEvent { id: Uuid::now_v7(), ..NewAuditEvent::example() }
    }

    fn read(patients: &[&'static str]) -> NewAuditEvent {
        NewAuditEvent {
            action: Word::literal("read"),
            entity_type: Word::literal("patient"),
            entity_id: None,
            entity_ids: patients.iter().copied().map(Identifier::literal).collect(),
            ..event()
        }
    }

    #[test]
    fn ordinary_work_is_not_seen() {
        assert!(of([event()].iter(), &hash()).is_empty());
    }

    #[test]
    fn addresses_are_not_kept() {
        let guess = NewAuditEvent {
            actor_kind: ActorKind::Anonymous,
            actor_user_id: None,
            outcome: AuditOutcome::Denied,
            occurrences: 3,
            ..event()
        };
        let seen = of([guess].iter(), &hash());
        assert_eq!((seen.len(), seen[0].rule.kind, seen[0].weight), (1, "failed_authentication", 3));
        assert_eq!(seen[0].subject.len(), "address:".len() + 64);
        assert!(!seen[0].subject.contains("203.0.113.77"));
    }

    #[test]
    fn a_patient_counts_once() {
        let seen = of([read(&["7", "8"]), read(&["8", "9"])].iter(), &hash());
        assert_eq!(seen.len(), 3);
        assert!(seen.iter().all(|sighting| sighting.object.len() == 64 && sighting.weight == 1));
        let candidates = candidates(seen);
        assert_eq!((candidates.len(), candidates[0].weight, candidates[0].audit_ids.len()), (1, 3, 2));
        assert_eq!((candidates[0].user(), candidates[0].api_key()), (Some(42), None));
    }

    #[test]
    fn evidence_is_the_latest_and_bounded() {
        let denied = |number: i64| {
            let base = event();
            let occurred_at = Moment::nearest(base.occurred_at.get() + TimeDelta::seconds(number));
            NewAuditEvent { outcome: AuditOutcome::Denied, occurred_at, ..base }
        };
        let events: Vec<NewAuditEvent> = (0..30).map(denied).collect();
        let candidates = candidates(of(events.iter(), &hash()));
        let [candidate] = &candidates[..] else { panic!("one subject, not {candidates:?}") };
        let latest: Vec<Uuid> = events.iter().rev().take(EVIDENCE).map(|event| event.id).collect();
        assert_eq!((candidate.weight, &candidate.audit_ids), (30, &latest));
        assert_eq!(candidate.first_seen_at, events[0].occurred_at.get());
        assert_eq!(candidate.last_seen_at, events[29].occurred_at.get());
    }
}
