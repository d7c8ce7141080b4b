use serde::{Deserialize, Serialize};

use crate::ids::{CustomFieldId, FormTemplateId, SegmentId};

/// Part of an organization's data that was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Touched {
    Everything,
    Patients,
    Profiles,
    Appointments,
    Forms,
    CustomField(CustomFieldId),
    FormTemplate(FormTemplateId),
    /// Members or state of a segment, for those that read it.
    Segment(SegmentId),
}

impl Touched {
    /// Returns the source, the custom field, the form template, and the segment that a rule reads if it is concerned.
    pub(super) fn parts(self) -> (Option<&'static str>, Option<i64>, Option<i64>, Option<i64>) {
        match self {
            Self::Everything => (None, None, None, None),
            Self::Patients => (Some("patients"), None, None, None),
            Self::Profiles => (Some("profiles"), None, None, None),
            Self::Appointments => (Some("appointments"), None, None, None),
            Self::Forms => (Some("forms"), None, None, None),
            Self::CustomField(id) => (None, Some(id.0), None, None),
            Self::FormTemplate(id) => (None, None, Some(id.0), None),
            Self::Segment(id) => (None, None, None, Some(id.0)),
        }
    }
}
