//! Subjects of rules, with every name resolved.

use chrono::NaiveDate;
use server_shared::value::{Key, Line};

use super::{
    check::{Checker, Found},
    day,
    kind::{Kind, status_text},
    known::KnownItem,
    leaf::{Edge, Filter, Subject},
    rule::{SegmentAppointments, SegmentForm, SegmentMeasure, SegmentRule},
};
use crate::domain::{appointment::AppointmentStatus, custom_field::FieldEntity};

/// Statuses of appointments that count unless a rule lists others.
const COUNTING: [AppointmentStatus; 4] = [
    AppointmentStatus::Scheduled,
    AppointmentStatus::Confirmed,
    AppointmentStatus::InProgress,
    AppointmentStatus::Completed,
];

/// Attributes that rules can use, with their expressions.
const ATTRIBUTES: [(&str, &str); 7] = [
    ("has_login", "(p.user_id is not null)"),
    ("has_email", "(p.email_encrypted is not null)"),
    ("has_phone", "(p.phone_encrypted is not null)"),
    ("has_date_of_birth", "(p.date_of_birth_encrypted is not null)"),
    ("has_national_id", "(p.national_id_encrypted is not null)"),
    ("has_address", "(p.address_encrypted is not null)"),
    ("has_emergency_contact", "(p.emergency_contact_encrypted is not null)"),
];

/// Attributes that are encrypted, or follow from one that is.
const SEALED: [&str; 8] =
    ["age", "date_of_birth", "email", "phone", "national_id", "address", "emergency_contact", "clinical_notes"];

/// Reason for which protected values can't be used.
const PROTECTED: &str = "is protected health information: it is stored encrypted, so the database can't compare it";

impl<'k> Checker<'k> {
    pub(super) fn attribute(&mut self, attribute: &Key, at: &str) -> Option<Found<'k>> {
        let name = attribute.as_str();
        if name == "created_at" {
            return Some(Found { subject: Subject::Attribute("p.created_at"), kind: Kind::Moment, may_miss: false });
        }
        if let Some((_, expression)) = ATTRIBUTES.iter().find(|(known, _)| *known == name) {
            return Some(Found { subject: Subject::Attribute(expression), kind: Kind::Boolean, may_miss: false });
        }
        if SEALED.contains(&name) {
            self.faults.add(at, "protected", PROTECTED);
            return None;
        }
        let names: Vec<&str> = ATTRIBUTES.iter().map(|(name, _)| *name).collect();
        self.faults.add(at, "unknown_reference", format!("must be created_at, {}", names.join(", ")));
        None
    }

    pub(super) fn field(&mut self, rule: &'k SegmentRule, at: &str) -> Option<Found<'k>> {
        let named = rule.custom_field.as_ref()?;
        let id = named.custom_field_id;
        let Some(field) = self.known.fields.get(&id).filter(|field| field.entity == FieldEntity::Patient) else {
            let message = "must be a custom field of patients of the organization";
            self.faults.add(format!("{at}/custom_field_id"), "unknown_reference", message);
            return None;
        };
        let present = field.versions.get(&field.present)?;
        let Some(pinned) = field.versions.get(&named.version.unwrap_or(field.present)) else {
            self.faults.add(format!("{at}/version"), "unknown_reference", "must be a version of the field");
            return None;
        };
        if present.phi || pinned.phi {
            self.faults.add(format!("{at}/custom_field_id"), "protected", PROTECTED);
            return None;
        }
        if !field.comparable(pinned).contains(&field.present) {
            let message = "the present version of the field has another type or unit; write the rule for that one";
            self.faults.add(format!("{at}/version"), "type_changed", message);
            return None;
        }
        let kind = Kind::of(pinned);
        let subject = Subject::Field { id, versions: field.comparable(pinned), column: kind.column()? };
        Some(Found { subject, kind, may_miss: true })
    }

    pub(super) fn answer(&mut self, named: &'k SegmentForm, at: &str) -> Option<Found<'k>> {
        let template = named.form_template_id;
        let Some(form) = self.known.forms.get(&template) else {
            let message = "must be a form template of the organization";
            self.faults.add(format!("{at}/form_template_id"), "unknown_reference", message);
            return None;
        };
        let Some(latest) = form.latest else {
            let message = "has no published version yet, so there are no forms";
            self.faults.add(format!("{at}/form_template_id"), "not_published", message);
            return None;
        };
        let version = named.version.unwrap_or(latest);
        if !form.read.contains(&version) {
            self.faults.add(format!("{at}/version"), "unknown_reference", "must be a published version");
            return None;
        }
        let key = named.key.as_str();
        let item = form.items.get(&(version, key.to_owned()));
        let Some((item, shape)) = item.and_then(|item| Some((item, item.shape()?))) else {
            let message = "must be the key of a field outside of groups, or of a score";
            self.faults.add(format!("{at}/key"), "unknown_reference", message);
            return None;
        };
        let now = form.items.get(&(latest, key.to_owned()));
        if item.is_protected() || now.is_some_and(KnownItem::is_protected) {
            self.faults.add(format!("{at}/key"), "protected", PROTECTED);
            return None;
        }
        if now.and_then(KnownItem::shape).as_ref() != Some(&shape) {
            let message =
                "the last version has no such item, or one of another type or unit; write the rule for that one";
            self.faults.add(format!("{at}/version"), "type_changed", message);
            return None;
        }
        let (kind, is_score): (Kind<'k>, bool) = match item {
            KnownItem::Field { definition, .. } => (Kind::of(definition), false),
            _ => (Kind::Number, true),
        };
        let subject = Subject::Answer {
            template,
            versions: form.comparable(key, &shape),
            key: key.to_owned(),
            is_score,
            column: kind.column()?,
        };
        Some(Found { subject, kind, may_miss: true })
    }

    pub(super) fn member(&mut self, rule: &'k SegmentRule, at: &str) -> Option<Found<'k>> {
        let id = rule.segment_id?;
        let Some(segment) = self.known.segments.get(&id) else {
            self.faults.add(at, "unknown_reference", "must be a segment of the organization");
            return None;
        };
        if segment.reads_this {
            self.faults.add(at, "cycle", "reads the members of this segment, directly or through others, or is it");
            return None;
        }
        if !segment.valid {
            self.faults.add(at, "invalid_segment", "is a segment whose own rule is invalid; correct that one first");
            return None;
        }
        Some(Found { subject: Subject::Member(id), kind: Kind::Boolean, may_miss: false })
    }

    pub(super) fn appointments(&mut self, named: &'k SegmentAppointments, at: &str) -> Option<Found<'k>> {
        let faults = self.faults.list().len();
        for (index, status) in named.statuses.iter().enumerate() {
            if matches!(status, AppointmentStatus::Held | AppointmentStatus::Expired) {
                let message = "is a hold, which is no appointment";
                self.faults.add(format!("{at}/statuses/{index}"), "not_applicable", message);
            }
        }
        for (index, template) in named.appointment_template_ids.iter().enumerate() {
            if !self.known.appointment_templates.contains(template) {
                let message = "must be an appointment template of the organization";
                self.faults.add(format!("{at}/appointment_template_ids/{index}"), "unknown_reference", message);
            }
        }
        let counts = named.measure == SegmentMeasure::Count;
        let from = self.bound(named.from.as_ref(), counts, &format!("{at}/from"));
        let to = self.bound(named.to.as_ref(), counts, &format!("{at}/to"));
        if from.zip(to).is_some_and(|(from, to)| to < from) {
            self.faults.add(format!("{at}/to"), "range", "must not be before from");
        }
        if self.faults.list().len() > faults {
            return None;
        }
        let statuses: &'k [AppointmentStatus] =
            if named.statuses.is_empty() { &COUNTING } else { named.statuses.as_slice() };
        let templates = named.appointment_template_ids.as_slice();
        let filter =
            Filter { statuses: statuses.iter().copied().map(status_text).collect(), templates: templates.to_vec() };
        let (edge, column, kind) = match named.measure {
            SegmentMeasure::Count => {
                let zone = self.known.zone;
                let from = from.map(|day| day::begin(zone, day));
                let until = to.map(|day| day::begin(zone, day::next(day)));
                let subject = Subject::Count { filter, from, until };
                return Some(Found { subject, kind: Kind::Count, may_miss: false });
            }
            SegmentMeasure::LastAt => (Edge::Last, "started_at", Kind::Moment),
            SegmentMeasure::LastStatus => (Edge::Last, "status", Kind::Status(statuses)),
            SegmentMeasure::LastTemplate => (Edge::Last, "appointment_template_id", Kind::Template(templates)),
            SegmentMeasure::NextAt => (Edge::Next, "started_at", Kind::Moment),
            SegmentMeasure::NextStatus => (Edge::Next, "status", Kind::Status(statuses)),
            SegmentMeasure::NextTemplate => (Edge::Next, "appointment_template_id", Kind::Template(templates)),
        };
        let subject = Subject::Edge { filter, edge, now: self.known.now, column };
        Some(Found { subject, kind, may_miss: true })
    }

    /// Reads a bound of the days on which counted appointments begin.
    fn bound(&mut self, text: Option<&Line<1, 20>>, counts: bool, at: &str) -> Option<NaiveDate> {
        let text = text?;
        if !counts {
            self.faults.add(at, "not_applicable", "applies to the measure count");
            return None;
        }
        let day = day::day(text.as_str(), self.known.today());
        if day.is_none() {
            self.faults.add(at, "format", "must be a day, as YYYY-MM-DD or like today-90d");
        }
        day
    }
}
