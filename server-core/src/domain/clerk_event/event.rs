//! Parser of Clerk's messages. Unknown fields are ignored: Clerk adds fields without notice.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef, Registry},
    types::Type,
};
use serde::Deserialize;
use serde_json::{Number, Value, json};
use server_shared::value::Name;

use super::error::ClerkError;
use crate::domain::{
    member::{Invitation, MemberRole},
    user::{CLOCK_LEAD, EventTime, Profile},
};

/// Longest id that is stored; Clerk's ids have about 32 characters.
const ID_MAX: usize = 200;
/// Longest name that is kept, in characters.
const NAME_MAX: usize = 200;
/// Longest valid e-mail address (RFC 5321).
const EMAIL_MAX: usize = 254;

/// A message of Clerk.
#[derive(Debug, PartialEq)]
pub(super) struct Event {
    /// Time of the event, and the message's id; `None` for a time at which no event can have happened.
    pub(super) moment: Option<EventTime>,
    /// Change that the event reports; `None` for an event that is not needed here.
    pub(super) change: Option<Change>,
}

/// Change that an event reports.
#[derive(Debug, PartialEq)]
pub(super) enum Change {
    /// A user was created or has a new profile.
    UserPut(Profile),
    /// A user was deleted.
    UserDelete { clerk_id: String },
    /// A user signed in.
    SessionBegin { sid: String },
    /// A session ended, so its tokens are no longer valid. The user is `None` if the event does not name it.
    SessionEnd { sid: String, clerk_id: Option<String> },
    /// A user accepted an invitation to an organization.
    InvitationAccept(Invitation),
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    data: Value,
    /// Milliseconds since 1970.
    timestamp: Option<Number>,
}

/// Schema of a message in the specification. It allows unknown fields, because Clerk adds fields without notice.
pub(super) struct ClerkEvent;

impl Type for ClerkEvent {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "ClerkEvent".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Reference(Self::name().into_owned())
    }

    fn register(registry: &mut Registry) {
        let described = |description, schema| MetaSchemaRef::Inline(Box::new(MetaSchema { description, ..schema }));
        let open = || Some(Box::new(MetaSchemaRef::Inline(Box::new(MetaSchema::ANY))));
        let event_type = MetaSchema { pattern: Some("^[!-~]*$".to_owned()), ..MetaSchema::new("string") };
        registry.create_schema::<Self, _>(Self::name().into_owned(), |_| MetaSchema {
            description: Some("Event of Clerk. Unknown fields are ignored."),
            properties: vec![
                ("type", described(Some("Type of the event, e.g. `user.updated`."), event_type)),
                (
                    "data",
                    described(
                        Some("Object that the event is about, as Clerk's API represents it."),
                        MetaSchema { additional_properties: open(), ..MetaSchema::new("object") },
                    ),
                ),
                (
                    "timestamp",
                    described(
                        Some("Time of the event, in milliseconds since 1970."),
                        MetaSchema::new_with_format("integer", "int64"),
                    ),
                ),
            ],
            required: vec!["type", "data"],
            additional_properties: open(),
            example: Some(json!({
                "type": "user.deleted", "object": "event", "timestamp": 1_771_200_000_000_i64,
                "data": { "id": "user_29w83sxmDNGwOuEthce5gg56FcC", "object": "user", "deleted": true },
            })),
            ..MetaSchema::new("object")
        });
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

#[derive(Deserialize)]
struct SessionData {
    id: String,
    user_id: Option<String>,
}

#[derive(Deserialize)]
struct UserData {
    id: String,
    first_name: Option<String>,
    last_name: Option<String>,
    username: Option<String>,
    primary_email_address_id: Option<String>,
    #[serde(default)]
    email_addresses: Vec<EmailAddress>,
}

#[derive(Deserialize)]
struct EmailAddress {
    id: String,
    #[serde(rename = "email_address")]
    address: String,
    verification: Option<Verification>,
}

#[derive(Deserialize)]
struct Verification {
    status: Option<String>,
}

#[derive(Deserialize)]
struct InvitationData {
    organization_id: String,
    role: String,
    /// User who accepted; older events of Clerk have no such field.
    user_id: Option<String>,
}

impl Event {
    /// Reads a message whose signature was valid; `sent_at` is the signed time, which dates messages that state no
    /// time of their own. `now` is the present by this clock.
    pub(super) fn parse(id: &str, sent_at: DateTime<Utc>, now: DateTime<Utc>, body: Value) -> Result<Self, ClerkError> {
        let envelope: Envelope = read(serde_json::from_value(body))?;
        let updated_at = envelope.data.get("updated_at").and_then(Value::as_number).cloned();
        let stated = [envelope.timestamp, updated_at].into_iter().flatten().map(|millis| time_of(&millis, now));
        let at = stated.collect::<Option<Vec<_>>>().map(|stated| stated.first().copied().unwrap_or(sent_at));
        let change = match envelope.kind.as_str() {
            "user.created" | "user.updated" => {
                Some(Change::UserPut(profile(read(serde_json::from_value(envelope.data))?)?))
            }
            "user.deleted" => Some(Change::UserDelete { clerk_id: named(envelope.data)? }),
            "session.created" => Some(Change::SessionBegin { sid: named(envelope.data)? }),
            "session.ended" | "session.removed" | "session.revoked" => {
                let session: SessionData = read(serde_json::from_value(envelope.data))?;
                let clerk_id = session.user_id.map(checked_id).transpose()?;
                Some(Change::SessionEnd { sid: checked_id(session.id)?, clerk_id })
            }
            "organizationInvitation.accepted" => invitation(read(serde_json::from_value(envelope.data))?)?,
            _ => None,
        };
        Ok(Self { moment: at.map(|at| EventTime { at, id: id.to_owned() }), change })
    }
}

/// Returns the time of so many milliseconds since 1970; `None` for one at which no event can have happened: before
/// 1970, or later than now.
fn time_of(millis: &Number, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let at = millis.as_i64().and_then(DateTime::from_timestamp_millis)?;
    (DateTime::UNIX_EPOCH..=now + CLOCK_LEAD).contains(&at).then_some(at)
}

/// Replaces the parser's error, whose text repeats the values that were read, by one without values.
fn read<T>(parsed: serde_json::Result<T>) -> Result<T, ClerkError> {
    parsed.map_err(|_| ClerkError::Malformed)
}

fn named(data: Value) -> Result<String, ClerkError> {
    checked_id(read(serde_json::from_value::<Named>(data))?.id)
}

fn checked_id(id: String) -> Result<String, ClerkError> {
    let sound = (1..=ID_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    if sound { Ok(id) } else { Err(ClerkError::Malformed) }
}

fn profile(user: UserData) -> Result<Profile, ClerkError> {
    let parts = [user.first_name.as_deref(), user.last_name.as_deref()];
    let full = parts.into_iter().flatten().map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
    let name = if full.is_empty() { user.username.as_deref().unwrap_or_default() } else { &full };
    let primary = user.primary_email_address_id;
    let email = user.email_addresses.into_iter().find(|email| {
        // An unverified address must not give access to a membership.
        let verified = email.verification.as_ref().is_some_and(|v| v.status.as_deref() == Some("verified"));
        verified && primary.as_deref() == Some(&email.id)
    });
    Ok(Profile {
        clerk_id: checked_id(user.id)?,
        // The identity provider has other rules for names.
        name: Name::<NAME_MAX>::cleaned(name).map(Name::into_inner).unwrap_or_default(),
        email: email.map(|email| email.address).filter(|email| (3..=EMAIL_MAX).contains(&email.len())),
    })
}

/// Returns `None` for an unknown role, since Clerk's instances can define their own, and for an unknown user.
fn invitation(data: InvitationData) -> Result<Option<Change>, ClerkError> {
    let role = match data.role.strip_prefix("org:").unwrap_or(&data.role) {
        "admin" => MemberRole::Admin,
        "specialist" => MemberRole::Specialist,
        "staff" => MemberRole::Staff,
        // Clerk's default roles for a member without particular rights.
        "patient" | "member" | "basic_member" => MemberRole::Patient,
        _ => return Ok(None),
    };
    let Some(clerk_id) = data.user_id else { return Ok(None) };
    let organization = checked_id(data.organization_id)?;
    Ok(Some(Change::InvitationAccept(Invitation { organization, clerk_id: checked_id(clerk_id)?, role })))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn parse(message: &Value) -> Result<Event, ClerkError> {
        Event::parse("msg_1", DateTime::UNIX_EPOCH, now(), message.clone())
    }

    fn now() -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
    }

    fn user(changes: &Value) -> Value {
        let mut data = json!({
            "id": "user_1", "first_name": " Ana ", "last_name": "Pop", "username": "ana",
            "primary_email_address_id": "idn_2", "updated_at": 7,
            "email_addresses": [
                { "id": "idn_1", "email_address": "old@example.org", "verification": { "status": "verified" } },
                { "id": "idn_2", "email_address": "ana@example.org", "verification": { "status": "verified" } },
            ],
        });
        data.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        json!({ "type": "user.updated", "data": data, "object": "event", "timestamp": 1_000 })
    }

    fn profile_of(changes: &Value) -> Profile {
        match parse(&user(changes)).unwrap().change {
            Some(Change::UserPut(profile)) => profile,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_user_has_a_name_and_the_primary_address_if_it_is_verified() {
        let ana = profile_of(&json!({}));
        assert_eq!((ana.name.as_str(), ana.email.as_deref()), ("Ana Pop", Some("ana@example.org")));
        assert_eq!(profile_of(&json!({ "first_name": null, "last_name": "" })).name, "ana");
        assert_eq!(profile_of(&json!({ "first_name": "A\u{0}\nna", "last_name": null })).name, "Ana");
        assert_eq!(profile_of(&json!({ "first_name": "A\u{202e}na\u{200b}", "last_name": "\u{2060}" })).name, "Ana");
        assert_eq!(profile_of(&json!({ "first_name": "\u{200b}", "last_name": null })).name, "", "nobody sees it");
        for changes in [
            json!({ "primary_email_address_id": null }),
            json!({ "email_addresses": [] }),
            json!({ "email_addresses": [{ "id": "idn_2", "email_address": "a@b.c", "verification": null }] }),
            json!({ "email_addresses": [{ "id": "idn_2", "email_address": "a@b.c", "verification": { "status": "unverified" } }] }),
        ] {
            assert_eq!(profile_of(&changes).email, None, "{changes}");
        }
    }

    #[test]
    fn the_time_is_the_events_own() {
        let at = |message: &Value| parse(message).unwrap().moment.unwrap().at.timestamp_millis();
        assert_eq!(at(&user(&json!({}))), 1_000);
        let mut silent = user(&json!({}));
        silent.as_object_mut().unwrap().remove("timestamp");
        assert_eq!(at(&silent), 7);
        assert_eq!(at(&json!({ "type": "user.deleted", "data": { "id": "user_1", "deleted": true } })), 0);
    }

    #[test]
    fn a_time_at_which_no_event_can_have_happened_is_none() {
        let latest = (now() + CLOCK_LEAD).timestamp_millis();
        let dated = |timestamp: Value, updated_at: Value| {
            let mut message = user(&json!({ "updated_at": updated_at }));
            message.as_object_mut().unwrap().insert("timestamp".to_owned(), timestamp);
            parse(&message).unwrap().moment.map(|moment| moment.at.timestamp_millis())
        };
        for good in [0, 1, latest] {
            assert_eq!(dated(json!(good), json!(7)), Some(good));
            assert_eq!(dated(json!(7), json!(good)), Some(7));
        }
        let wrong = [
            json!(-1),
            json!(i64::MIN),
            json!(latest + 1),
            json!(253_402_300_799_000_i64),
            json!(i64::MAX),
            json!(u64::MAX),
            json!(1e300),
        ];
        for wrong in wrong {
            assert_eq!(dated(wrong.clone(), json!(7)), None, "timestamp {wrong}");
            assert_eq!(dated(json!(7), wrong.clone()), None, "updated_at {wrong}");
            assert_eq!(dated(Value::Null, wrong.clone()), None, "updated_at alone {wrong}");
        }
    }

    #[test]
    fn an_unneeded_event_is_accepted_and_an_unreadable_one_is_refused() {
        assert_eq!(parse(&json!({ "type": "sms.created", "data": {} })).unwrap().change, None);
        for message in [
            json!([]),
            json!({ "data": {} }),
            json!({ "type": "user.created", "data": {} }),
            json!({ "type": "user.deleted", "data": { "id": "" } }),
            json!({ "type": "session.ended", "data": { "id": "sess\u{0}" } }),
            json!({ "type": "session.ended", "data": { "id": "x".repeat(201) } }),
        ] {
            assert!(matches!(parse(&message), Err(ClerkError::Malformed)), "{message}");
        }
    }
}
