use poem_openapi::{OpenApi, param::Path, payload::Json};
use server_shared::{ApiError, http::Body};

use super::super::{
    event::AppointmentEvent,
    model::{Appointment, CancelAppointment},
    service::Service,
    status::AppointmentStatus,
};
use crate::{
    domain::Tag,
    identity::{Caller, Permission},
    ids::AppointmentId,
};

/// `/v1/appointments/{appointment_id}/confirm` and the other ways to the next state
pub(crate) struct TransitionApi {
    pub(crate) appointments: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Appointments")]
impl TransitionApi {
    /// Confirm an appointment
    ///
    /// From `scheduled`. 409 `invalid_transition` names the state it is in and the one it can't get to.
    #[oai(path = "/appointments/:appointment_id/confirm", method = "post", operation_id = "appointment_confirm")]
    async fn appointment_confirm(
        &self,
        caller: Caller,
        /// Id of the appointment.
        appointment_id: Path<AppointmentId>,
    ) -> Result<Json<Appointment>, ApiError> {
        caller.may(Permission::AppointmentWrite)?;
        let to = AppointmentStatus::Confirmed;
        Ok(Json(self.appointments.advance(&caller, appointment_id.0, to, AppointmentEvent::Confirmed).await?))
    }

    /// Start an appointment
    ///
    /// From `confirmed`; it is `in_progress` then. 409 `invalid_transition` names the state it is in and the
    /// one it can't get to.
    #[oai(path = "/appointments/:appointment_id/start", method = "post", operation_id = "appointment_start")]
    async fn appointment_start(
        &self,
        caller: Caller,
        /// Id of the appointment.
        appointment_id: Path<AppointmentId>,
    ) -> Result<Json<Appointment>, ApiError> {
        caller.may(Permission::AppointmentWrite)?;
        let to = AppointmentStatus::InProgress;
        Ok(Json(self.appointments.advance(&caller, appointment_id.0, to, AppointmentEvent::Started).await?))
    }

    /// Complete an appointment
    ///
    /// From `in_progress`, and for good. 409 `invalid_transition` names the state it is in and the one it
    /// can't get to.
    #[oai(path = "/appointments/:appointment_id/complete", method = "post", operation_id = "appointment_complete")]
    async fn appointment_complete(
        &self,
        caller: Caller,
        /// Id of the appointment.
        appointment_id: Path<AppointmentId>,
    ) -> Result<Json<Appointment>, ApiError> {
        caller.may(Permission::AppointmentWrite)?;
        let to = AppointmentStatus::Completed;
        Ok(Json(self.appointments.advance(&caller, appointment_id.0, to, AppointmentEvent::Completed).await?))
    }

    /// Note that the patient did not come
    ///
    /// From `scheduled` or `confirmed`, and for good: the time is free. 409 `invalid_transition` names the
    /// state it is in and the one it can't get to.
    #[oai(path = "/appointments/:appointment_id/no-show", method = "post", operation_id = "appointment_no_show")]
    async fn appointment_no_show(
        &self,
        caller: Caller,
        /// Id of the appointment.
        appointment_id: Path<AppointmentId>,
    ) -> Result<Json<Appointment>, ApiError> {
        caller.may(Permission::AppointmentWrite)?;
        let to = AppointmentStatus::NoShow;
        Ok(Json(self.appointments.advance(&caller, appointment_id.0, to, AppointmentEvent::NoShow).await?))
    }

    /// Cancel an appointment
    ///
    /// From `scheduled` or `confirmed`; its time is free at once. A patient can cancel its own up to the
    /// cut-off that it was booked with, or until it begins: later, 409 `cancellation_too_late`. 409
    /// `already_cancelled` the second time. A hold is released instead.
    #[oai(path = "/appointments/:appointment_id/cancel", method = "post", operation_id = "appointment_cancel")]
    async fn appointment_cancel(
        &self,
        caller: Caller,
        /// Id of the appointment.
        appointment_id: Path<AppointmentId>,
        body: Body<CancelAppointment>,
    ) -> Result<Json<Appointment>, ApiError> {
        caller.may(Permission::AppointmentCancel)?;
        Ok(Json(self.appointments.cancel(&caller, appointment_id.0, &body).await?))
    }
}
