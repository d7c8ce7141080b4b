//! Bytes that the hash of a link covers. docs/AUDIT-CHAIN.md specifies them for independent verifiers: a change
//! of one byte here needs a new [`ENCODING`], and the old one has to stay.

use chrono::{DateTime, SecondsFormat, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// SHA-256 hash.
pub(crate) type Hash = [u8; 32];

/// Hash that the first link of a chain has as its predecessor.
pub(crate) const BEGINNING: Hash = [0; 32];

/// Versions of the canonical form. Events whose client gave the request an id have version 3. Other events that have an
/// error code or represent several attempts have version 2. All others have version 1.
const ENCODINGS: [i16; 3] = [1, 2, 3];

/// First bytes of the canonical form of each version, so that the hash of other data is never the hash of an
/// event.
const DOMAINS: [&[u8]; 3] = [b"restartix-audit-event-v1", b"restartix-audit-event-v2", b"restartix-audit-event-v3"];

/// Event as it is stored, with the personal values that are not erased.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub id: Uuid,
    pub organization_id: i64,
    pub occurred_at: DateTime<Utc>,
    pub received_at: DateTime<Utc>,
    pub actor_kind: String,
    pub actor_user_id: Option<i64>,
    pub actor_api_key_id: Option<i64>,
    pub impersonator_user_id: Option<i64>,
    pub action: String,
    pub entity_type: String,
    pub entity_id: Option<String>,
    pub entity_ids: Vec<String>,
    pub changed_fields: Vec<String>,
    pub request_id: Option<String>,
    pub operation_id: Option<String>,
    pub outcome: String,
    pub error_code: Option<String>,
    pub occurrences: i64,
    /// Salt of the personal values; `None` if they are erased or never existed.
    pub salt: Option<Vec<u8>>,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub client_request_id: Option<Uuid>,
}

impl Event {
    /// Returns the version of the event's canonical form. Needs the sealed digests, because they show which
    /// personal values existed before they were erased.
    pub(crate) fn encoding(&self, digests: &Digests) -> i16 {
        ENCODINGS[self.form(digests)]
    }

    fn form(&self, digests: &Digests) -> usize {
        if digests.client_request_id.is_some() {
            return 2;
        }
        usize::from(self.occurrences != 1 || self.error_code.is_some())
    }
}

/// Digests of the personal values that are hashed with the event. Without the salt they reveal nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Digests {
    pub ip: Option<Hash>,
    pub user_agent: Option<Hash>,
    pub client_request_id: Option<Hash>,
}

impl Digests {
    /// Computes the digests of the values that are present.
    pub(crate) fn of(event: &Event) -> Self {
        let digest = |name: &str, value: &Option<String>| {
            let (salt, value) = (event.salt.as_ref()?, value.as_ref()?);
            let mut hasher = Sha256::new();
            for part in [salt.as_slice(), name.as_bytes(), value.as_bytes()] {
                framed(&mut hasher, part);
            }
            Some(hasher.finalize().into())
        };
        let client_request_id = event.client_request_id.map(|id| id.hyphenated().to_string());
        Self {
            ip: digest("ip", &event.ip),
            user_agent: digest("user_agent", &event.user_agent),
            client_request_id: digest("client_request_id", &client_request_id),
        }
    }

    /// Returns `true` if the values that are present are the sealed ones. Erased values cannot be compared.
    pub(crate) fn agree(&self, event: &Event) -> bool {
        let present = Self::of(event);
        (event.ip.is_none() || present.ip == self.ip)
            && (event.user_agent.is_none() || present.user_agent == self.user_agent)
            && (event.client_request_id.is_none() || present.client_request_id == self.client_request_id)
    }
}

/// Returns the hash of the link that appends `event` to the link with the hash `previous`.
pub(crate) fn link_hash(previous: &Hash, event: &Event, digests: &Digests) -> Hash {
    let mut form = Form(Sha256::new());
    form.0.update(previous);
    form.0.update(DOMAINS[event.form(digests)]);
    form.text(Some(&event.id.hyphenated().to_string()));
    form.number(Some(event.organization_id));
    form.moment(event.occurred_at);
    form.moment(event.received_at);
    form.text(Some(&event.actor_kind));
    form.number(event.actor_user_id);
    form.number(event.actor_api_key_id);
    form.number(event.impersonator_user_id);
    form.text(Some(&event.action));
    form.text(Some(&event.entity_type));
    form.text(event.entity_id.as_deref());
    form.list(&event.entity_ids);
    form.list(&event.changed_fields);
    form.text(event.request_id.as_deref());
    form.text(event.operation_id.as_deref());
    form.text(Some(&event.outcome));
    form.bytes(digests.ip.as_ref().map(Hash::as_slice));
    form.bytes(digests.user_agent.as_ref().map(Hash::as_slice));
    let encoding = event.encoding(digests);
    if encoding > 1 {
        form.number(Some(event.occurrences));
        form.text(event.error_code.as_deref());
    }
    if encoding > 2 {
        form.bytes(digests.client_request_id.as_ref().map(Hash::as_slice));
    }
    form.0.finalize().into()
}

/// Hash of the canonical form under construction. Each field is preceded by its presence and length, so that no
/// two events have the same bytes.
struct Form(Sha256);

impl Form {
    fn bytes(&mut self, value: Option<&[u8]>) {
        match value {
            None => self.0.update([0]),
            Some(value) => {
                self.0.update([1]);
                framed(&mut self.0, value);
            }
        }
    }

    fn text(&mut self, value: Option<&str>) {
        self.bytes(value.map(str::as_bytes));
    }

    fn number(&mut self, value: Option<i64>) {
        self.text(value.map(|number| number.to_string()).as_deref());
    }

    fn moment(&mut self, value: DateTime<Utc>) {
        self.text(Some(&value.to_rfc3339_opts(SecondsFormat::Micros, true)));
    }

    fn list(&mut self, values: &[String]) {
        self.0.update(length(values.len()));
        for value in values {
            framed(&mut self.0, value.as_bytes());
        }
    }
}

fn framed(hasher: &mut Sha256, value: &[u8]) {
    hasher.update(length(value.len()));
    hasher.update(value);
}

/// Returns the length as four bytes, big-endian. No stored value comes near the limit.
fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
pub(super) mod tests {
    use uuid::uuid;

    use super::*;

    pub(crate) fn event() -> Event {
        Event {
            id: uuid!("019a6b1c-5d7e-7c3a-9b52-3f1e0d6c8a41"),
            organization_id: 1,
            occurred_at: DateTime::from_timestamp_micros(1_762_765_200_123_456).unwrap(),
            received_at: DateTime::from_timestamp_micros(1_762_765_200_300_000).unwrap(),
            actor_kind: "user".to_owned(),
            actor_user_id: Some(42),
            actor_api_key_id: None,
            impersonator_user_id: None,
            action: "updated".to_owned(),
            entity_type: "appointment".to_owned(),
            entity_id: Some("1041".to_owned()),
            entity_ids: Vec::new(),
            changed_fields: vec!["started_at".to_owned(), "ended_at".to_owned()],
            request_id: Some("019a6b1c-5d70-7aa1-8c11-0d2b6d1f3c11".to_owned()),
            operation_id: Some("appointment_update".to_owned()),
            outcome: "succeeded".to_owned(),
            error_code: None,
            occurrences: 1,
            salt: Some(vec![7; 16]),
            ip: Some("203.0.113.77".to_owned()),
            user_agent: None,
            client_request_id: None,
        }
    }

    fn hash(event: &Event) -> Hash {
        link_hash(&BEGINNING, event, &Digests::of(event))
    }

    /// Example of docs/AUDIT-CHAIN.md, computed by another program.
    #[test]
    fn the_canonical_form_never_changes() {
        let event = event();
        let digest = Digests::of(&event).ip.map(hex::encode);
        assert_eq!(digest.as_deref(), Some(IP_DIGEST));
        assert_eq!(hex::encode(hash(&event)), LINK_HASH);
    }

    /// Example of version 2, computed by another program.
    #[test]
    fn the_second_form_never_changes() {
        let event = attempts();
        let encoding = |event: &Event| event.encoding(&Digests::of(event));
        assert_eq!((encoding(&self::event()), encoding(&event)), (1, 2));
        assert_eq!(hex::encode(hash(&event)), ATTEMPTS_HASH);
    }

    #[test]
    fn the_third_form_never_changes_and_outlives_what_it_is_of() {
        let event = Event { client_request_id: Some(CLIENT_REQUEST), ..event() };
        let sealed = Digests::of(&event);
        assert_eq!((event.encoding(&sealed), hex::encode(hash(&event))), (3, CLIENT_HASH.to_owned()));
        let erased = Event { salt: None, ip: None, client_request_id: None, ..event.clone() };
        assert!(sealed.agree(&erased));
        assert_eq!((erased.encoding(&sealed), link_hash(&BEGINNING, &erased, &sealed)), (3, hash(&event)));
        let altered = Event { client_request_id: Some(Uuid::nil()), ..event.clone() };
        assert!(!sealed.agree(&altered));
        // Values that were added later to an event whose link was sealed without any.
        assert!(!Digests::of(&self::event()).agree(&event));
    }

    fn attempts() -> Event {
        Event {
            outcome: "denied".to_owned(),
            error_code: Some("permission_denied".to_owned()),
            occurrences: 250,
            ..event()
        }
    }

    #[test]
    fn every_field_counts() {
        type Change = fn(&mut Event);
        let changes: [Change; 24] = [
            |event| event.id = Uuid::nil(),
            |event| event.organization_id = 2,
            |event| event.occurred_at += chrono::TimeDelta::microseconds(1),
            |event| event.received_at += chrono::TimeDelta::microseconds(1),
            |event| event.actor_kind = "system".to_owned(),
            |event| event.actor_user_id = None,
            // The value of one field is not confused with that of the next.
            |event| (event.actor_user_id, event.actor_api_key_id) = (None, Some(42)),
            |event| (event.actor_user_id, event.impersonator_user_id) = (None, Some(42)),
            |event| event.action = "updatedappointment".to_owned(),
            |event| (event.action, event.entity_type) = ("updateda".to_owned(), "ppointment".to_owned()),
            |event| event.entity_id = Some(String::new()),
            |event| event.entity_ids = vec!["1".to_owned()],
            |event| event.changed_fields = vec!["started_atended_at".to_owned()],
            |event| (event.entity_ids, event.changed_fields) = (event.changed_fields.clone(), Vec::new()),
            |event| event.request_id = None,
            |event| event.operation_id = None,
            |event| event.outcome = "denied".to_owned(),
            |event| event.error_code = Some(String::new()),
            |event| event.error_code = Some("2".to_owned()),
            |event| event.occurrences = 2,
            |event| (event.error_code, event.occurrences) = (Some("2".to_owned()), 2),
            |event| event.ip = Some("203.0.113.78".to_owned()),
            |event| event.client_request_id = Some(CLIENT_REQUEST),
            |event| (event.client_request_id, event.occurrences) = (Some(CLIENT_REQUEST), 2),
        ];
        let mut hashes = vec![hash(&event())];
        for change in changes {
            let mut other = event();
            change(&mut other);
            hashes.push(hash(&other));
        }
        hashes.push(link_hash(&[1; 32], &event(), &Digests::of(&event())));
        let count = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), count, "two different links have the same hash");
    }

    #[test]
    fn erasure_leaves_the_hash_and_alteration_does_not_agree() {
        let sealed = Digests::of(&event());
        let erased = Event { salt: None, ip: None, user_agent: None, ..event() };
        assert!(sealed.agree(&event()) && sealed.agree(&erased));
        assert_eq!(link_hash(&BEGINNING, &erased, &sealed), hash(&event()));
        assert!(!sealed.agree(&Event { ip: Some("203.0.113.78".to_owned()), ..event() }));
        assert!(!sealed.agree(&Event { salt: Some(vec![8; 16]), ..event() }));
        assert!(!sealed.agree(&Event { user_agent: Some("added later".to_owned()), ..event() }));
    }

    const IP_DIGEST: &str = "9435faf33c5f933e8662de8b909b544e3f556f41930ed58e9446c3b2da422c91";
    const ATTEMPTS_HASH: &str = "c5f991fd4f3aa9fbd5ff05800a1f6bd2e0aa6297d822ec5f8354cd1a4c39916e";
    const CLIENT_REQUEST: Uuid = uuid!("5f0c7d3e-4a0b-4c6f-9a55-0d2b6d1f3c11");
    const CLIENT_HASH: &str = "880b40da094c877d28330920d5121816b142f1282dadd830c0254e7b2466256c";
    const LINK_HASH: &str = "e86e0520d348c9a388e95334c5b0ec2ec496133bcced0e30f3e9cad15acb5d1a";
}
