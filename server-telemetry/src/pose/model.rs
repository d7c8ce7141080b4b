//! Pose frames as the page sends them, and their rows.

use std::borrow::Cow;

use chrono::{DateTime, TimeDelta, Utc};
use clickhouse::Row;
use poem_openapi::{
    Object,
    registry::{MetaSchema, MetaSchemaRef, Registry},
    types::{Example, ParseError, ParseFromJSON, ParseResult, ToJSON, Type},
};
use serde::Serialize;
use serde_json::Value;
use server_shared::value::Moment;
use uuid::{Uuid, uuid};

use crate::{
    compliance::Pseudonym,
    text::{Identifier, SharedText},
};

/// Number of landmarks of a body (the BlazePose topology).
pub(crate) const LANDMARKS: usize = 33;
/// Number of values of a landmark: x, y, z, visibility.
pub(crate) const NUMBERS: usize = 4;
/// Largest absolute value of a coordinate, in widths of the picture.
const REACH: f64 = 4.0;

/// Frames of one session, in any order.
#[derive(Debug, Clone, Object)]
#[oai(example, deny_unknown_fields, skip_serializing_if_is_none)]
pub(crate) struct PoseBatch {
    /// Id of the session, a UUIDv7 made by the page; the same as in `/v1/media/events`.
    pub session_id: Uuid,
    /// Exercise of the session.
    pub exercise_id: Option<Identifier>,
    /// Start of the session by the page's clock; the time of a frame is its offset from this.
    pub started_at: Moment,
    /// Time at which the page sent the batch, by its own clock; corrects `started_at`.
    pub sent_at: Option<Moment>,
    /// Frames of the batch.
    #[oai(validator(min_items = 1, max_items = 600))]
    pub frames: Vec<PoseFrame>,
}

impl Example for PoseBatch {
    fn example() -> Self {
        let started_at = DateTime::from_timestamp(1_762_765_200, 0).unwrap_or_default();
        Self {
            session_id: uuid!("019a6b1c-7f00-7b1a-a2c4-6f1d2e3c4b5a"),
            exercise_id: Some(Identifier::literal("knee-extension")),
            started_at: Moment::nearest(started_at),
            sent_at: Some(Moment::nearest(started_at + TimeDelta::seconds(1))),
            frames: vec![PoseFrame { offset_ms: 33, landmarks: Landmarks([[0.5, 0.25, -0.125, 1.0]; LANDMARKS]) }],
        }
    }
}

/// Position of the body at one point in time.
#[derive(Debug, Clone, Object)]
#[oai(deny_unknown_fields, skip_serializing_if_is_none)]
pub(crate) struct PoseFrame {
    /// Milliseconds since the start of the session; identifies the frame within its session.
    #[oai(validator(maximum(value = "86400000")))]
    pub offset_ms: u32,
    /// 33 landmarks, each `[x, y, z, visibility]`. Coordinates are in widths of the picture, from −4 to 4;
    /// visibility is from 0 to 1.
    pub landmarks: Landmarks,
}

/// 33 landmarks of 4 values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Landmarks(pub [[f32; NUMBERS]; LANDMARKS]);

impl Type for Landmarks {
    const IS_REQUIRED: bool = true;

    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "Landmarks".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Reference(Self::name().into_owned())
    }

    fn register(registry: &mut Registry) {
        let array = |items: MetaSchema, length| MetaSchema {
            items: Some(Box::new(MetaSchemaRef::Inline(Box::new(items)))),
            min_items: Some(length),
            max_items: Some(length),
            ..MetaSchema::new("array")
        };
        registry.create_schema::<Self, _>(Self::name().into_owned(), |_| {
            let number = MetaSchema {
                minimum: Some(-REACH),
                maximum: Some(REACH),
                ..MetaSchema::new_with_format("number", "float")
            };
            MetaSchema {
                description: Some("33 landmarks of a body, each `[x, y, z, visibility]`."),
                ..array(array(number, NUMBERS), LANDMARKS)
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

impl ParseFromJSON for Landmarks {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        let mut parsed = [[0.0; NUMBERS]; LANDMARKS];
        let wrong = || ParseError::custom("must be 33 lists of 4 numbers");
        let landmarks = value.as_ref().and_then(Value::as_array).filter(|all| all.len() == LANDMARKS);
        for (landmark, slot) in landmarks.ok_or_else(wrong)?.iter().zip(&mut parsed) {
            let numbers = landmark.as_array().filter(|all| all.len() == NUMBERS).ok_or_else(wrong)?;
            for (number, slot) in numbers.iter().zip(slot) {
                #[allow(clippy::cast_possible_truncation, reason = "within ±4: only precision is lost")]
                let number = number.as_f64().filter(|number| number.abs() <= REACH).ok_or_else(wrong)? as f32;
                *slot = number;
            }
        }
        Ok(Self(parsed))
    }
}

impl ToJSON for Landmarks {
    fn to_json(&self) -> Option<Value> {
        Some(self.0.iter().map(|landmark| Value::from(landmark.to_vec())).collect())
    }
}

/// Row of `pose_frames`.
#[derive(Debug, Clone, PartialEq, Row, Serialize)]
pub(crate) struct PoseRow {
    pub organization_id: i64,
    #[serde(with = "clickhouse::serde::uuid")]
    pub session_id: Uuid,
    pub actor: Pseudonym,
    pub offset_ms: u32,
    pub exercise_id: SharedText,
    #[serde(with = "clickhouse::serde::chrono::datetime64::millis")]
    pub occurred_at: DateTime<Utc>,
    #[serde(with = "clickhouse::serde::chrono::datetime64::millis")]
    pub received_at: DateTime<Utc>,
    /// 33 × (x, y, z, visibility); see `quantized` in the service.
    pub landmarks: Vec<i16>,
}
