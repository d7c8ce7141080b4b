//! Analytics events as pages send them, their rows, and summaries.

use std::{borrow::Cow, collections::BTreeMap};

use chrono::{DateTime, TimeDelta, Utc};
use clickhouse::Row;
use poem_openapi::{
    Object,
    registry::{MetaSchema, MetaSchemaRef, Registry},
    types::{Example, ParseError, ParseFromJSON, ParseResult, ToJSON, Type},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use server_shared::value::{Line, Moment, Prose};
use uuid::{Uuid, uuid};

use crate::{
    compliance::Pseudonym,
    text::{Identifier, SharedText},
};

/// Batch of events from one page of one person.
#[derive(Debug, Clone, Object)]
#[oai(example, deny_unknown_fields, skip_serializing_if_is_none)]
pub(crate) struct AnalyticsBatch {
    /// Time at which the page sent the batch, by its own clock. Telemetry corrects `occurred_at` by the difference
    /// to its own clock.
    pub sent_at: Option<Moment>,
    /// Events of the batch.
    #[oai(validator(min_items = 1, max_items = 500))]
    pub events: Vec<NewAnalyticsEvent>,
}

impl Example for AnalyticsBatch {
    fn example() -> Self {
        let event = NewAnalyticsEvent::example();
        Self { sent_at: Some(Moment::nearest(event.occurred_at.get() + TimeDelta::seconds(2))), events: vec![event] }
    }
}

/// Event in a page.
#[derive(Debug, Clone, Object)]
#[oai(example, deny_unknown_fields, skip_serializing_if_is_none)]
pub(crate) struct NewAnalyticsEvent {
    /// Id made by the page, a UUIDv7. An id is stored once, so an event can be sent again.
    pub event_id: Uuid,
    /// Name of the event, e.g. `booking_started`.
    pub name: Identifier,
    /// Time of the event by the page's clock. Telemetry corrects it by `sent_at`, and clamps it to between 30 days
    /// before and one minute after reception.
    pub occurred_at: Moment,
    /// Path of the page. Telemetry removes query and fragment (from the first `?` or `#` on), because they may be
    /// personal.
    pub page: Option<Line<0, 1024>>,
    /// Properties of the event, at most 32. Names have 1 to 64 characters, texts at most 512; otherwise the event is
    /// dropped as `malformed`. They must not contain health data or contact data.
    #[oai(default, validator(max_properties = 32))]
    pub properties: BTreeMap<String, PropertyValue>,
}

impl Example for NewAnalyticsEvent {
    fn example() -> Self {
        let properties = [
            ("step".to_owned(), PropertyValue::Text(PropertyText::from_static("choose_time"))),
            ("slots_shown".to_owned(), PropertyValue::Number(12.0)),
            ("returning".to_owned(), PropertyValue::Flag(true)),
        ];
        Self {
            event_id: uuid!("019a6b1c-6a10-7e05-8d6a-51f7a3a60b02"),
            name: Identifier::literal("booking_started"),
            occurred_at: Moment::nearest(DateTime::from_timestamp(1_762_765_200, 0).unwrap_or_default()),
            page: Some(Line::from_static("/appointments/book")),
            properties: properties.into(),
        }
    }
}

/// Text of a property. It may fill a body of 1 MiB: a text that is too long drops its event, not the batch.
pub(crate) type PropertyText = Prose<0, 1_048_576>;

/// Value of a property: a text, a number or a boolean.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum PropertyValue {
    Text(PropertyText),
    Number(f64),
    Flag(bool),
}

impl Type for PropertyValue {
    const IS_REQUIRED: bool = true;

    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "PropertyValue".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Reference(Self::name().into_owned())
    }

    fn register(registry: &mut Registry) {
        registry.create_schema::<Self, _>(Self::name().into_owned(), |_| {
            let inline = |kind| MetaSchemaRef::Inline(Box::new(MetaSchema::new(kind)));
            MetaSchema {
                description: Some("Value of a property: a text, a number or a boolean."),
                one_of: vec![PropertyText::schema_ref(), inline("number"), inline("boolean")],
                ..MetaSchema::ANY
            }
        });
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl ParseFromJSON for PropertyValue {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        match value {
            text @ Some(Value::String(_)) => {
                PropertyText::parse_from_json(text).map(Self::Text).map_err(ParseError::propagate)
            }
            Some(Value::Bool(flag)) => Ok(Self::Flag(flag)),
            Some(Value::Number(number)) => {
                number.as_f64().map(Self::Number).ok_or_else(|| ParseError::custom("must be a number of 64 bits"))
            }
            other => Err(ParseError::expected_type(other.unwrap_or_default())),
        }
    }
}

impl ToJSON for PropertyValue {
    fn to_json(&self) -> Option<Value> {
        Some(match self {
            Self::Text(text) => text.as_str().into(),
            Self::Number(number) => (*number).into(),
            Self::Flag(flag) => (*flag).into(),
        })
    }
}

/// Row of `analytics_events`.
#[derive(Debug, Clone, PartialEq, Row, Serialize)]
pub(crate) struct AnalyticsRow {
    pub organization_id: i64,
    /// Hours since 1970 of the time in the event's id, so that an event gets the same value however often it is
    /// sent.
    pub event_hour: u32,
    #[serde(with = "clickhouse::serde::uuid")]
    pub event_id: Uuid,
    pub name: String,
    #[serde(with = "clickhouse::serde::chrono::datetime64::millis")]
    pub occurred_at: DateTime<Utc>,
    #[serde(with = "clickhouse::serde::chrono::datetime64::millis::option")]
    pub sent_at: Option<DateTime<Utc>>,
    #[serde(with = "clickhouse::serde::chrono::datetime64::millis")]
    pub received_at: DateTime<Utc>,
    pub actor: Pseudonym,
    pub role: &'static str,
    pub page: String,
    pub properties: Vec<(String, String)>,
    pub numbers: Vec<(String, f64)>,
    pub network: SharedText,
    pub ip_hash: Pseudonym,
    pub agent: SharedText,
    pub os: SharedText,
    pub device: SharedText,
}

/// Summary of the events of an organization in a period.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
#[oai(example)]
pub(crate) struct AnalyticsSummary {
    /// Start of the period.
    pub from: DateTime<Utc>,
    /// End of the period, which is not part of it.
    pub to: DateTime<Utc>,
    /// Number of events.
    pub events: u64,
    /// Number of different people.
    pub unique_actors: u64,
    /// Events by name, most frequent first; at most 1,000 names.
    pub by_event: Vec<EventSummary>,
}

impl Example for AnalyticsSummary {
    fn example() -> Self {
        let to = DateTime::from_timestamp(1_762_765_200, 0).unwrap_or_default();
        let by_event = vec![EventSummary { name: "booking_started".to_owned(), events: 318, unique_actors: 207 }];
        Self { from: to - TimeDelta::days(7), to, events: 318, unique_actors: 207, by_event }
    }
}

/// Frequency of one event.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize, Object)]
pub(crate) struct EventSummary {
    /// Name of the event.
    pub name: String,
    /// Number of occurrences.
    pub events: u64,
    /// Number of different people with this event.
    pub unique_actors: u64,
}

/// Number of events and of different people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Row, Serialize, Deserialize)]
pub(crate) struct Totals {
    pub events: u64,
    pub unique_actors: u64,
}
