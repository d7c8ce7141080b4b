//! Domains, each with the same modules: model, repository, service, api, error.

use poem_openapi::Tags;

pub(crate) mod api_key;
pub(crate) mod appointment;
pub(crate) mod appointment_form;
pub(crate) mod appointment_template;
pub(crate) mod availability;
pub(crate) mod calendar;
pub(crate) mod clerk_event;
pub(crate) mod consent;
pub(crate) mod custom_field;
pub(crate) mod export;
pub(crate) mod field;
pub(crate) mod form;
pub(crate) mod form_definition;
pub(crate) mod form_template;
pub(crate) mod gdpr;
pub(crate) mod impersonation;
pub(crate) mod invitation;
pub(crate) mod link;
pub(crate) mod me;
pub(crate) mod member;
pub(crate) mod onboarding;
pub(crate) mod organization;
pub(crate) mod organization_settings;
pub(crate) mod patient;
pub(crate) mod period;
pub(crate) mod profile;
pub(crate) mod rules;
pub(crate) mod schedule;
pub(crate) mod segment;
pub(crate) mod specialist;
pub(crate) mod specialty;
pub(crate) mod table;
pub(crate) mod user;
pub(crate) mod video;
pub(crate) mod waitlist;

/// Tags of the specification.
#[derive(Tags)]
pub(crate) enum Tag {
    /// Accounts of callers, their tokens and permissions.
    Identity,
    /// Clinics and their settings.
    Organizations,
    /// Members of clinics, their roles and invitations.
    Members,
    /// API keys of an organization, with which its own programs call the API.
    #[oai(rename = "API keys")]
    ApiKeys,
    /// Medical specialties that clinics offer.
    Specialties,
    /// People who treat patients.
    Specialists,
    /// Working hours of specialists, and the open slots that follow from them.
    Availability,
    /// Templates of appointments: duration, buffers, cut-offs and forms of each kind of appointment that can be booked.
    #[oai(rename = "Appointment templates")]
    AppointmentTemplates,
    /// Templates of forms: drafts, published versions that never change, and previews.
    #[oai(rename = "Form templates")]
    FormTemplates,
    /// Forms about patients: answers to published versions of form templates, and their signatures. Each form that is
    /// returned leaves an audit entry.
    Forms,
    /// Patient records. Each record that is returned leaves an audit entry.
    Patients,
    /// Fields that a clinic adds to the profiles of patients, specialists and appointments, and to its own.
    #[oai(rename = "Custom fields")]
    CustomFields,
    /// Values of custom fields. Each profile that is returned leaves an audit entry.
    Profiles,
    /// Segments: patients for whom a rule is true, their history, and explanations.
    Segments,
    /// Appointments and holds. A specialist and a patient have at most one at a time.
    Appointments,
    /// Series of appointments that repeat by a rule.
    #[oai(rename = "Appointment series")]
    AppointmentSeries,
    /// Patients who wait for a slot, and the slots that are offered to them.
    Waitlist,
    /// Calendar views of appointments, and iCalendar feeds for other calendar programs.
    Calendar,
    /// Access to the video rooms of appointments.
    Video,
    /// Export and erasure of a person's data.
    Privacy,
    /// Exports of tables as CSV.
    Exports,
}
