//! Requests for exports.

use poem_openapi::{Enum, Object, types::Example};
use server_shared::{
    http::csv::Delimiter,
    value::{EmailAddress, Key, Line, Moment, PhoneNumber},
};
use uuid::Uuid;

use super::audit::AuditColumn;
use crate::{
    domain::{
        appointment::{AppointmentColumn, AppointmentStatus},
        form::{FormColumn, FormStatus},
        patient::PatientColumn,
        segment::SegmentMemberColumn,
    },
    ids::{AppointmentId, AppointmentTemplateId, FormTemplateId, PatientId, SegmentId, SpecialistId, UserId},
};

/// Character between the cells of a file.
///
/// - `comma`: `,`, as RFC 4180 says
/// - `semicolon`: `;`, for spreadsheets of regions where a comma separates decimals
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum ExportDelimiter {
    /// `,`
    #[default]
    Comma,
    /// `;`
    Semicolon,
}

impl From<ExportDelimiter> for Delimiter {
    fn from(delimiter: ExportDelimiter) -> Self {
        match delimiter {
            ExportDelimiter::Comma => Self::Comma,
            ExportDelimiter::Semicolon => Self::Semicolon,
        }
    }
}

/// Request for a table as CSV: exactly one of `patients`, `appointments`, `forms`, `segment_members` and `audit`, and
/// the form of the file.
///
/// A filter selects the rows that the list of the entity would show with the same filter; without filters, all.
#[derive(Debug, Clone, Object)]
#[oai(example, skip_serializing_if_is_none)]
pub(crate) struct CsvExportInput {
    /// Patients, in the order of their creation; absent if another entity is exported.
    pub(crate) patients: Option<PatientsExport>,
    /// Appointments and holds, in the order of their start; absent if another entity is exported.
    pub(crate) appointments: Option<AppointmentsExport>,
    /// Forms of one template, in the order of their creation; absent if another entity is exported.
    pub(crate) forms: Option<FormsExport>,
    /// Members of a segment, in the order of the patients' ids; absent if another entity is exported.
    pub(crate) segment_members: Option<SegmentMembersExport>,
    /// Entries of the audit trail about requests to this service, in the order of time; absent if another entity is
    /// exported.
    pub(crate) audit: Option<AuditExport>,
    /// Character between the cells.
    #[oai(default)]
    pub(crate) delimiter: ExportDelimiter,
    /// `true` to begin the file with the byte order mark, by which some spreadsheets know UTF-8. Other programs read it
    /// as a part of the first header.
    #[oai(default)]
    pub(crate) byte_order_mark: bool,
}

impl Example for CsvExportInput {
    fn example() -> Self {
        Self {
            patients: Some(PatientsExport {
                columns: vec![
                    PatientColumn::Id,
                    PatientColumn::LastName,
                    PatientColumn::FirstName,
                    PatientColumn::DateOfBirth,
                ],
                ..PatientsExport::default()
            }),
            appointments: None,
            forms: None,
            segment_members: None,
            audit: None,
            delimiter: ExportDelimiter::Semicolon,
            byte_order_mark: true,
        }
    }
}

/// Table of patients.
#[derive(Debug, Clone, Default, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct PatientsExport {
    /// Columns in their order; if it is empty, all that the caller's role reads.
    #[oai(default, validator(max_items = 20, unique_items))]
    pub(crate) columns: Vec<PatientColumn>,
    /// Words that the name must contain, in any order. Letter case, accents and the shapes of quotes and hyphens make
    /// no difference.
    pub(crate) search: Option<Line<0, 100>>,
    /// Complete e-mail address; letter case makes no difference.
    pub(crate) email: Option<EmailAddress>,
    /// Complete telephone number, with any spaces and punctuation. A number without a country prefix is read as a
    /// number of the organization's country.
    pub(crate) phone: Option<PhoneNumber>,
    /// Complete number of an identity document or health insurance; only its letters and digits are compared.
    pub(crate) national_id: Option<Line<0, 64>>,
}

/// Table of appointments.
#[derive(Debug, Clone, Default, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct AppointmentsExport {
    /// Columns in their order; if it is empty, all that the caller's role reads.
    #[oai(default, validator(max_items = 20, unique_items))]
    pub(crate) columns: Vec<AppointmentColumn>,
    /// Selects appointments that end after this time.
    pub(crate) from: Option<Moment>,
    /// Selects appointments that begin before this time.
    pub(crate) to: Option<Moment>,
    /// Selects appointments of this specialist.
    pub(crate) specialist_id: Option<SpecialistId>,
    /// Selects appointments of this patient.
    pub(crate) patient_id: Option<PatientId>,
    /// Selects appointments with this status.
    pub(crate) status: Option<AppointmentStatus>,
    /// Selects appointments booked with this appointment template.
    pub(crate) template_id: Option<AppointmentTemplateId>,
}

/// Table of the forms of one template.
///
/// Besides the columns that are named here, each field that any version of the template has had is a column, under its
/// key: in the place where the first version had it, also if it was moved or removed since. A field in a group is
/// `group/field`, with a JSON list of its values, one for each entry. A score is a column with its value, and
/// `score/band` with the key of its band. Choices show the keys of their options, separated by `|`.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct FormsExport {
    /// Id of the form template.
    pub(crate) form_template_id: FormTemplateId,
    /// Columns in their order, which come before those of the fields; if it is empty, all that the caller's role reads.
    #[oai(default, validator(max_items = 20, unique_items))]
    pub(crate) columns: Vec<FormColumn>,
    /// Selects forms about this patient.
    pub(crate) patient_id: Option<PatientId>,
    /// Selects forms that belong to this appointment.
    pub(crate) appointment_id: Option<AppointmentId>,
    /// Selects forms that ask this version of the template.
    #[oai(validator(minimum(value = "1")))]
    pub(crate) form_template_version: Option<i32>,
    /// Selects forms in this state. Only `void` selects void forms.
    pub(crate) status: Option<FormStatus>,
}

/// Table of the members of a segment, as its last evaluation has found them.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct SegmentMembersExport {
    /// Id of the segment.
    pub(crate) segment_id: SegmentId,
    /// Columns in their order; if it is empty, all that the caller's role reads.
    #[oai(default, validator(max_items = 20, unique_items))]
    pub(crate) columns: Vec<SegmentMemberColumn>,
}

/// Table of entries of the audit trail. Entries about requests to Telemetry are in Telemetry's own trail.
#[derive(Debug, Clone, Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct AuditExport {
    /// Columns in their order; if it is empty, all that the caller's role reads.
    #[oai(default, validator(max_items = 20, unique_items))]
    pub(crate) columns: Vec<AuditColumn>,
    /// Selects entries from this time on. Required, because a trail is kept for years.
    pub(crate) from: Moment,
    /// Selects entries before this time; all until now if left out.
    pub(crate) to: Option<Moment>,
    /// Selects entries of this user.
    pub(crate) actor_user_id: Option<UserId>,
    /// Selects entries with this action, e.g. `updated`.
    pub(crate) action: Option<Key>,
    /// Selects entries of this entity type, e.g. `appointment`.
    pub(crate) entity_type: Option<Key>,
    /// Selects entries of the entity with this id; ids are unique only within an entity type.
    pub(crate) entity_id: Option<Line<1, 128>>,
    /// Selects entries of the request with this id.
    pub(crate) request_id: Option<Uuid>,
}
