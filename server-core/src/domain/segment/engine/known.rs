//! Everything that a rule may name, as it is now.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use server_shared::value::Line;

use super::{
    day,
    test::{Comparison, Operand, Range, Test},
};
use crate::{
    domain::{
        custom_field::FieldEntity,
        field::{FieldDefinition, FieldType},
    },
    ids::{AppointmentTemplateId, CustomFieldId, FormTemplateId, SegmentId},
};

/// Surroundings of a rule, loaded before it is checked.
#[derive(Debug)]
pub(in crate::domain::segment) struct Known {
    /// Time zone of the organization.
    pub(in crate::domain::segment) zone: Tz,
    /// Present moment.
    pub(in crate::domain::segment) now: DateTime<Utc>,
    pub(in crate::domain::segment) fields: BTreeMap<CustomFieldId, KnownField>,
    pub(in crate::domain::segment) forms: BTreeMap<FormTemplateId, KnownForm>,
    pub(in crate::domain::segment) appointment_templates: BTreeSet<AppointmentTemplateId>,
    pub(in crate::domain::segment) segments: BTreeMap<SegmentId, KnownSegment>,
}

/// Custom field with all its versions.
#[derive(Debug)]
pub(in crate::domain::segment) struct KnownField {
    pub(in crate::domain::segment) entity: FieldEntity,
    /// Number of the present version.
    pub(in crate::domain::segment) present: i32,
    pub(in crate::domain::segment) versions: BTreeMap<i32, FieldDefinition>,
}

/// Form template with those items of its versions that rules name.
#[derive(Debug, Default)]
pub(in crate::domain::segment) struct KnownForm {
    /// Number of the last published version; `None` before the first.
    pub(in crate::domain::segment) latest: Option<i32>,
    /// Items of the last version, and of those that the rule pins, by version and key.
    pub(in crate::domain::segment) items: BTreeMap<(i32, String), KnownItem>,
    /// Numbers of the versions whose contents were read.
    pub(in crate::domain::segment) read: BTreeSet<i32>,
    /// Shapes of the items with these keys in all versions that have them.
    pub(in crate::domain::segment) shapes: BTreeMap<String, Vec<(i32, Shape)>>,
}

/// Item of a version of a form template.
#[derive(Debug, Clone)]
pub(in crate::domain::segment) enum KnownItem {
    /// Field outside of groups; `protected` if its answers are, or tell something of a protected one by being there.
    Field { definition: Box<FieldDefinition>, protected: bool },
    /// Score; `protected` if it is protected health information.
    Score { protected: bool },
    /// Text or group.
    Other,
}

/// Other segment.
#[derive(Debug, Clone, Copy)]
pub(in crate::domain::segment) struct KnownSegment {
    /// `false` if its rule can't be evaluated.
    pub(in crate::domain::segment) valid: bool,
    /// `true` if it reads the members of the segment at hand, directly or through others, or is that segment.
    pub(in crate::domain::segment) reads_this: bool,
}

/// Part of a definition on which it depends if two values can be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::domain::segment) struct Shape {
    class: Class,
    unit: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Text,
    Number,
    Boolean,
    Date,
    Time,
    Moment,
    Choice,
    Choices,
    Phone,
    Opaque,
    Score,
}

impl Shape {
    /// Shape of a score.
    pub(in crate::domain::segment) const SCORE: Self = Self { class: Class::Score, unit: None };

    /// Returns the shape of fields of a type, with their unit.
    pub(in crate::domain::segment) fn new(field_type: FieldType, unit: Option<String>) -> Self {
        let class = match field_type {
            FieldType::Text | FieldType::LongText | FieldType::Email => Class::Text,
            FieldType::Integer | FieldType::Decimal | FieldType::Scale => Class::Number,
            FieldType::Boolean => Class::Boolean,
            FieldType::Date => Class::Date,
            FieldType::Time => Class::Time,
            FieldType::Datetime => Class::Moment,
            FieldType::SingleChoice => Class::Choice,
            FieldType::MultipleChoice => Class::Choices,
            FieldType::Phone => Class::Phone,
            FieldType::File | FieldType::Signature => Class::Opaque,
        };
        Self { class, unit }
    }

    /// Returns the shape of a field.
    pub(in crate::domain::segment) fn of(definition: &FieldDefinition) -> Self {
        Self::new(definition.field_type, definition.unit.clone().map(Line::into_inner))
    }
}

impl KnownField {
    /// Returns the numbers of the versions whose values can be compared with those of `version`.
    pub(super) fn comparable(&self, version: &FieldDefinition) -> Vec<i32> {
        let shape = Shape::of(version);
        let alike = self.versions.iter().filter(|(_, other)| !other.phi && Shape::of(other) == shape);
        alike.map(|(number, _)| *number).collect()
    }
}

impl KnownItem {
    /// Returns the shape of the item; `None` if it has no answer.
    pub(super) fn shape(&self) -> Option<Shape> {
        match self {
            Self::Field { definition, .. } => Some(Shape::of(definition)),
            Self::Score { .. } => Some(Shape::SCORE),
            Self::Other => None,
        }
    }

    /// Returns `true` if its answers are protected.
    pub(super) fn is_protected(&self) -> bool {
        match self {
            Self::Field { protected, .. } | Self::Score { protected } => *protected,
            Self::Other => false,
        }
    }
}

impl KnownForm {
    /// Returns the numbers of the versions in which the item with this key has this shape.
    pub(super) fn comparable(&self, key: &str, shape: &Shape) -> Vec<i32> {
        let shapes = self.shapes.get(key).map(Vec::as_slice).unwrap_or_default();
        shapes.iter().filter(|(_, other)| other == shape).map(|(version, _)| *version).collect()
    }
}

impl Known {
    /// Returns the present day in the organization.
    pub(in crate::domain::segment) fn today(&self) -> NaiveDate {
        self.now.with_timezone(&self.zone).naive_local().date()
    }

    /// Returns the moment at which the next day begins in the organization.
    pub(in crate::domain::segment) fn tomorrow(&self) -> DateTime<Utc> {
        day::begin(self.zone, day::next(self.today()))
    }

    /// Returns the moments of a day.
    pub(super) fn range(&self, day: NaiveDate) -> Range {
        (day::begin(self.zone, day), day::begin(self.zone, day::next(day)))
    }

    /// Returns the test that compares moments with a day.
    pub(super) fn on_day(&self, comparison: Comparison, day: NaiveDate) -> Test {
        let (begin, end) = self.range(day);
        match comparison {
            Comparison::Equal => Test::Within((begin, end), true),
            Comparison::NotEqual => Test::Within((begin, end), false),
            Comparison::Less => Test::Compare(Comparison::Less, Operand::Moment(begin)),
            Comparison::LessOrEqual => Test::Compare(Comparison::Less, Operand::Moment(end)),
            Comparison::Greater => Test::Compare(Comparison::GreaterOrEqual, Operand::Moment(end)),
            Comparison::GreaterOrEqual => Test::Compare(Comparison::GreaterOrEqual, Operand::Moment(begin)),
        }
    }
}
