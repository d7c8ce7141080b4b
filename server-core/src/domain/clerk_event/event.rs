//! Clerk's messages, as far as they matter here. Fields that are not named are ignored: Clerk adds some
//! without notice.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef, Registry},
    types::Type,
};
use serde::Deserialize;
use serde_json::{Value, json};
use server_shared::value::Name;

use super::error::ClerkError;
use crate::domain::{
    member::{Invitation, MemberRole},
    user::{Moment, Profile},
};

/// Longest id that is stored; Clerk's have some 32 characters.
const ID_MAX: usize = 200;
/// Longest name that is kept, in characters.
const NAME_MAX: usize = 200;
/// Longest e-mail address there can be (RFC 5321).
const EMAIL_MAX: usize = 254;

/// One message.
#[derive(Debug, PartialEq)]
pub(super) struct Event {
    /// When it happened, and the message's id.
    pub(super) moment: Moment,
    /// The change; `None` for one of no concern here.
    pub(super) change: Option<Change>,
}

/// A change that a message tells of.
#[derive(Debug, PartialEq)]
pub(super) enum Change {
    /// A user is like this now.
    UserPut(Profile),
    /// The user is gone for good.
    UserDelete { clerk_id: String },
    /// Somebody signed in.
    SessionBegin { sid: String },
    /// Tokens of the session are no longer good; whose it was, as far as it is said.
    SessionEnd { sid: String, clerk_id: Option<String> },
    /// Somebody who was invited to an organization accepted.
    InvitationAccept(Invitation),
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    data: Value,
    /// Milliseconds since 1970.
    timestamp: Option<i64>,
}

/// A message as the specification describes it: open, for Clerk adds fields without notice.
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
            description: Some("An event of Clerk's; fields that are not named here are ignored."),
            properties: vec![
                ("type", described(Some("What happened, e.g. `user.updated`."), event_type)),
                (
                    "data",
                    described(
                        Some("What it happened to, as Clerk's API shows it."),
                        MetaSchema { additional_properties: open(), ..MetaSchema::new("object") },
                    ),
                ),
                (
                    "timestamp",
                    described(
                        Some("When it happened, in milliseconds since 1970."),
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
    /// The user who accepted; Clerk did not always say.
    user_id: Option<String>,
}

impl Event {
    /// Reads a message whose signature was valid; `sent_at` is the time that was signed, for messages
    /// that say no other.
    pub(super) fn parse(id: &str, sent_at: DateTime<Utc>, body: Value) -> Result<Self, ClerkError> {
        let envelope: Envelope = read(serde_json::from_value(body))?;
        let updated_at = envelope.data.get("updated_at").and_then(Value::as_i64);
        // A moment that no calendar has says nothing.
        let at = envelope.timestamp.or(updated_at).and_then(DateTime::from_timestamp_millis).unwrap_or(sent_at);
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
        Ok(Self { moment: Moment { at, id: id.to_owned() }, change })
    }
}

/// The parser's message repeats what it read, so it goes nowhere.
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
    let name: String = name.chars().filter(|letter| !letter.is_control()).take(NAME_MAX).collect();
    let primary = user.primary_email_address_id;
    let email = user.email_addresses.into_iter().find(|email| {
        // An address that nobody has proved to own must not lead anybody to a membership.
        let verified = email.verification.as_ref().is_some_and(|v| v.status.as_deref() == Some("verified"));
        verified && primary.as_deref() == Some(&email.id)
    });
    Ok(Profile {
        clerk_id: checked_id(user.id)?,
        name: Name::<NAME_MAX>::parse(&name).map_or(name, Name::into_inner),
        email: email.map(|email| email.address).filter(|email| (3..=EMAIL_MAX).contains(&email.len())),
    })
}

/// `None` for who accepted nobody knows as what: Clerk's instances make roles of their own.
fn invitation(data: InvitationData) -> Result<Option<Change>, ClerkError> {
    let role = match data.role.strip_prefix("org:").unwrap_or(&data.role) {
        "admin" => MemberRole::Admin,
        "specialist" => MemberRole::Specialist,
        "staff" => MemberRole::Staff,
        // Clerk's own name for somebody of no particular rights.
        "patient" | "member" | "basic_member" => MemberRole::Patient,
        _ => return Ok(None),
    };
    let Some(clerk_id) = data.user_id else { return Ok(None) };
    let organization = checked_id(data.organization_id)?;
    Ok(Some(Change::InvitationAccept(Invitation { organization, clerk_id: checked_id(clerk_id)?, role })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(message: &Value) -> Result<Event, ClerkError> {
        Event::parse("msg_1", DateTime::UNIX_EPOCH, message.clone())
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
        let at = |message: &Value| parse(message).unwrap().moment.at.timestamp_millis();
        assert_eq!(at(&user(&json!({}))), 1_000);
        let mut silent = user(&json!({}));
        silent.as_object_mut().unwrap().remove("timestamp");
        assert_eq!(at(&silent), 7);
        assert_eq!(at(&json!({ "type": "user.deleted", "data": { "id": "user_1", "deleted": true } })), 0);
        assert_eq!(at(&json!({ "type": "x", "data": {}, "timestamp": i64::MAX })), 0, "no moment");
    }

    #[test]
    fn what_is_of_no_concern_is_no_fault_and_what_cant_be_read_is() {
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
