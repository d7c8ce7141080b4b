use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use server_shared::{
    ApiError,
    http::{
        Body, Page, Paging,
        page::{PageNumber, PageSize},
    },
};

use super::{
    super::{model::Appointment, service::Service},
    model::{Reschedule, RescheduleAppointment},
};
use crate::{
    domain::Tag,
    identity::{Caller, Permission},
    ids::AppointmentId,
};

/// `/v1/appointments/{appointment_id}/reschedule`
pub(crate) struct RescheduleApi {
    pub(crate) appointments: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Appointments")]
impl RescheduleApi {
    /// Reschedule an appointment
    ///
    /// Moves an appointment, which keeps its id, duration and buffers. The clinic can move it to any free time. A
    /// patient can move it to an open slot (otherwise 409 `slot_not_offered`) up to the cut-off that applied at the
    /// booking (later 409 `reschedule_too_late`). A move by the patient does not extend the cut-offs for rescheduling
    /// and cancelling: they count from the earliest start that the patient has moved the appointment from, until the
    /// clinic moves it. Answers 409 `slot_taken` if the time is not free, `invalid_transition` unless the appointment
    /// is `scheduled` or `confirmed`, `stale_version` if somebody else changed it in the meantime.
    #[oai(path = "/appointments/:appointment_id/reschedule", method = "post", operation_id = "appointment_reschedule")]
    async fn appointment_reschedule(
        &self,
        caller: Caller,
        /// Id of the appointment.
        appointment_id: Path<AppointmentId>,
        body: Body<RescheduleAppointment>,
    ) -> Result<Json<Appointment>, ApiError> {
        caller.may(Permission::AppointmentReschedule)?;
        let organization = caller.organization()?;
        Ok(Json(self.appointments.reschedule(&caller, organization, appointment_id.0, &body).await?))
    }

    /// List the moves of an appointment
    ///
    /// Returns the moves of an appointment, earliest first, to every caller who may see the appointment.
    #[oai(
        path = "/appointments/:appointment_id/reschedules",
        method = "get",
        operation_id = "appointment_reschedule_list"
    )]
    async fn appointment_reschedule_list(
        &self,
        caller: Caller,
        /// Id of the appointment.
        appointment_id: Path<AppointmentId>,
        /// Number of the page, from 1; 1 if left out.
        page: Query<Option<PageNumber>>,
        /// Maximum number of entries on a page, at most 100; 25 if left out.
        page_size: Query<Option<PageSize>>,
    ) -> Result<Json<Page<Reschedule>>, ApiError> {
        caller.may(Permission::AppointmentRead)?;
        let paging = Paging::new(page.0, page_size.0);
        Ok(Json(self.appointments.reschedules(&caller, appointment_id.0, paging).await?))
    }
}
