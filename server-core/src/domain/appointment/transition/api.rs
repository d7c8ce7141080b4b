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

/// `/v1/appointments/{appointment_id}/confirm` and the other transitions
pub(crate) struct TransitionApi {
    pub(crate) appointments: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Appointments")]
impl TransitionApi {
    /// Confirm an appointment
    ///
    /// Changes the status from `scheduled` to `confirmed`. Answers 409 `invalid_transition` from any other status; its
    /// `details` name both statuses.
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
    /// Changes the status from `confirmed` to `in_progress`. Answers 409 `invalid_transition` from any other status;
    /// its `details` name both statuses.
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
    /// Changes the status from `in_progress` to `completed`, which is final. Answers 409 `invalid_transition` from any
    /// other status; its `details` name both statuses.
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

    /// Mark an appointment as missed
    ///
    /// Changes the status from `scheduled` or `confirmed` to `no_show`, which is final, and frees the time. Answers 409
    /// `invalid_transition` from any other status; its `details` name both statuses.
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
    /// Changes the status from `scheduled` or `confirmed` to `cancelled`, which is final, and frees the time. Patients
    /// can cancel their own appointments up to the cut-off that applied at the booking, and later get 409
    /// `cancellation_too_late`; a move by the patient does not extend the cut-off. Answers 409 `already_cancelled` if
    /// it was cancelled before. To end a hold, use `appointment_hold_delete`.
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
