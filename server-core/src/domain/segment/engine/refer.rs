//! Names in a rule, which have to be looked up before it is checked.

use std::collections::BTreeSet;

use super::{
    known::{Known, KnownForm},
    rule::SegmentRule,
};
use crate::ids::{AppointmentTemplateId, CustomFieldId, FormTemplateId, SegmentId};

/// Everything that a rule names by an id.
#[derive(Debug, Default)]
pub(in crate::domain::segment) struct Referred {
    pub(in crate::domain::segment) fields: BTreeSet<CustomFieldId>,
    pub(in crate::domain::segment) forms: BTreeSet<FormKey>,
    pub(in crate::domain::segment) appointment_templates: BTreeSet<AppointmentTemplateId>,
    pub(in crate::domain::segment) segments: BTreeSet<SegmentId>,
}

/// Item of a form template.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::domain::segment) struct FormKey {
    pub(in crate::domain::segment) template: FormTemplateId,
    /// Version that the rule pins, if any.
    pub(in crate::domain::segment) version: Option<i32>,
    pub(in crate::domain::segment) key: String,
}

impl Referred {
    /// Collects the names in a rule.
    pub(in crate::domain::segment) fn by(rule: &SegmentRule) -> Self {
        let mut referred = Self::default();
        referred.collect(rule);
        referred
    }

    fn collect(&mut self, rule: &SegmentRule) {
        self.fields.extend(rule.custom_field.as_ref().map(|field| field.custom_field_id));
        self.forms.extend(rule.form.as_ref().map(|form| FormKey {
            template: form.form_template_id,
            version: form.version,
            key: form.key.as_str().to_owned(),
        }));
        if let Some(appointments) = &rule.appointments {
            self.appointment_templates.extend(&appointments.appointment_template_ids);
            if appointments.measure.is_template() {
                let values = rule.value.iter().chain(&rule.values);
                let ids = values.filter_map(|value| value.as_i64().map(AppointmentTemplateId));
                self.appointment_templates.extend(ids);
            }
        }
        self.segments.extend(rule.segment_id);
        for inner in &rule.rules {
            self.collect(inner);
        }
    }
}

impl SegmentRule {
    /// Returns the rule with the present version of each custom field and form template of which it pins none.
    pub(in crate::domain::segment) fn pinned(mut self, known: &Known) -> Self {
        if let Some(field) = &mut self.custom_field {
            let present = known.fields.get(&field.custom_field_id).map(|field| field.present);
            field.version = field.version.or(present);
        }
        if let Some(form) = &mut self.form {
            let latest = known.forms.get(&form.form_template_id).and_then(|form: &KnownForm| form.latest);
            form.version = form.version.or(latest);
        }
        self.rules = self.rules.into_iter().map(|rule| rule.pinned(known)).collect();
        self
    }
}
