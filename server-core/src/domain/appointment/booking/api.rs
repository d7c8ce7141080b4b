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
    /// Keeps an open slot for the caller, until `hold_expires_at`, 10 minutes from now. 409 `slot_taken` when
    /// somebody else was first or the patient is busy then, `slot_not_offered` when no slot begins then.
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
    /// The slot is free at once, and the hold `expired`. Only its maker can: 403 `hold_not_own`. 409
    /// `invalid_transition` when it is no hold any more.
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
    /// An open slot, or one that the caller holds. Of two callers at one slot one gets it, the other 409
    /// `slot_taken`. 409 `slot_not_offered` when no slot begins then, `hold_expired` when the hold has run
    /// out; 403 `hold_not_own` when somebody else made it.
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
