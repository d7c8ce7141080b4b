use poem_openapi::{OpenApi, param::Path};
use server_shared::{
    ApiError,
    http::{Body, Created, NoContent},
};

use super::{
    super::{model::Appointment, service::Service},
    model::{BookAppointment, HoldAppointment},
};
use crate::{
    domain::Tag,
    identity::{Caller, Permission},
    ids::AppointmentId,
};

/// `/v1/appointments/hold` and `/v1/appointments/book`
pub(crate) struct BookingApi {
    pub(crate) appointments: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Appointments")]
impl BookingApi {
    /// Hold a slot
    ///
    /// Holds an open slot for the caller until `hold_expires_at`, 10 minutes from now. A patient can have 3 holds at a
    /// time and make 10 holds in any 24 hours, in each organization; released, expired and booked holds count towards
    /// the 10, offers of the waitlist do not. Any other caller, including an API key, can have 50 holds at a time.
    /// Answers 409 `slot_taken` if the specialist or the patient has another appointment or hold at that time,
    /// `slot_not_offered` if no slot begins at that time, `too_many_holds` and `too_many_holds_a_day` with `limit` and
    /// `available_at` in their details.
    #[oai(path = "/appointments/hold", method = "post", operation_id = "appointment_hold_create")]
    async fn appointment_hold_create(
        &self,
        caller: Caller,
        body: Body<HoldAppointment>,
    ) -> Result<Created<Appointment>, ApiError> {
        caller.may(Permission::AppointmentBook)?;
        Ok(Created(self.appointments.hold(&caller, caller.organization()?, &body).await?))
    }

    /// Release a hold
    ///
    /// Releases the slot immediately; the status of the hold becomes `expired`. Answers 403 `hold_not_own` unless the
    /// caller made the hold, 409 `invalid_transition` if the appointment is not `held` any more.
    #[oai(path = "/appointments/:appointment_id/hold", method = "delete", operation_id = "appointment_hold_delete")]
    async fn appointment_hold_delete(
        &self,
        caller: Caller,
        /// Id of the appointment.
        appointment_id: Path<AppointmentId>,
    ) -> Result<NoContent, ApiError> {
        caller.may(Permission::AppointmentBook)?;
        self.appointments.release(&caller, appointment_id.0).await?;
        Ok(NoContent)
    }

    /// Book a slot
    ///
    /// Books an open slot or a hold of the caller. Answers 409 `slot_taken` if the slot is no longer free, which is
    /// also the answer to all but one of several concurrent requests; 409 `slot_not_offered` if no slot begins at that
    /// time, `hold_expired` if the hold has lapsed; 403 `hold_not_own` if somebody else made the hold.
    #[oai(path = "/appointments/book", method = "post", operation_id = "appointment_book")]
    async fn appointment_book(
        &self,
        caller: Caller,
        body: Body<BookAppointment>,
    ) -> Result<Created<Appointment>, ApiError> {
        caller.may(Permission::AppointmentBook)?;
        Ok(Created(self.appointments.book(&caller, caller.organization()?, &body).await?))
    }
}
