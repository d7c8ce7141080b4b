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
    /// Who calls and what they may do.
    Identity,
    /// Clinics.
    Organizations,
    /// Who belongs to clinics, and as what.
    Members,
    /// Keys of clinics' programs.
    #[oai(rename = "API keys")]
    ApiKeys,
    /// What clinics offer.
    Specialties,
    /// Who treats.
    Specialists,
    /// When specialists work, and when they can be booked.
    Availability,
    /// What can be booked.
    #[oai(rename = "Appointment templates")]
    AppointmentTemplates,
    /// Who is treated. Every read is audited per record.
    Patients,
    /// Booked times; no specialist and no patient is booked twice.
    Appointments,
    /// Appointments that repeat.
    #[oai(rename = "Appointment series")]
    AppointmentSeries,
    /// Who waits for a slot, and what is offered to whom.
    Waitlist,
    /// Booked times as calendars show them, here and in other programs.
    Calendar,
    /// Appointments by video: who enters their rooms, and when.
    Video,
    /// A person's rights to its data: a copy of it, and its end.
    Privacy,
}
