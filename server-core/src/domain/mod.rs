//! The domains, each with the same rooms: model, repository, service, api, error.

use poem_openapi::Tags;

pub(crate) mod api_key;
pub(crate) mod appointment;
pub(crate) mod appointment_template;
pub(crate) mod availability;
pub(crate) mod calendar;
pub(crate) mod clerk_event;
pub(crate) mod gdpr;
pub(crate) mod impersonation;
pub(crate) mod invitation;
pub(crate) mod link;
pub(crate) mod me;
pub(crate) mod member;
pub(crate) mod organization;
pub(crate) mod organization_settings;
pub(crate) mod patient;
pub(crate) mod period;
pub(crate) mod rules;
pub(crate) mod schedule;
pub(crate) mod specialist;
pub(crate) mod specialty;
pub(crate) mod user;
pub(crate) mod video;
pub(crate) mod waitlist;

/// The chapters of the specification.
#[derive(Tags)]
pub(crate) enum Tag {
    /// Accounts of callers, their tokens and permissions.
    Identity,
    /// Clinics and their settings.
    Organizations,
    /// Members of clinics, their roles and invitations.
    Members,
    /// Keys with which programs of clinics call the API.
    #[oai(rename = "API keys")]
    ApiKeys,
    /// Fields of treatment that clinics offer.
    Specialties,
    /// Persons who treat patients.
    Specialists,
    /// Working hours of specialists, and times at which they can be booked.
    Availability,
    /// Kinds of appointments that can be booked.
    #[oai(rename = "Appointment templates")]
    AppointmentTemplates,
    /// Patient records. Each record that is read is audited.
    Patients,
    /// Booked times; no specialist and no patient is booked twice.
    Appointments,
    /// Appointments that repeat.
    #[oai(rename = "Appointment series")]
    AppointmentSeries,
    /// Patients who wait for a slot, and the slots that are offered to them.
    Waitlist,
    /// Appointments in calendars, here and in other programs.
    Calendar,
    /// Appointments by video, and access to their rooms.
    Video,
    /// Export and erasure of a person's data.
    Privacy,
}
