use poem_openapi::{
    OpenApi,
    param::{Path, Query},
};
use server_shared::{
    ApiError,
    http::{
        Body, Created, NoContent, Page, Paging,
        page::{PageNumber, PageSize},
        written::Written,
    },
    value::Moment,
};
use uuid::Uuid;

use super::{
    Service,
    model::{Appointment, AppointmentFilter, AppointmentSort, CreateAppointment, UpdateAppointment},
    status::AppointmentStatus,
};
use crate::{
    domain::Tag,
    identity::{Caller, Permission},
    ids::{AppointmentId, AppointmentTemplateId, PatientId, SpecialistId},
};

/// `/v1/appointments`
pub(crate) struct Api {
    pub(crate) appointments: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Appointments")]
impl Api {
    /// List appointments
    ///
    /// Returns the appointments that the caller may see; specialists and patients see only their own. `from` and `to`
    /// select the appointments that overlap the range. Answers 400 `invalid_range` if `to` is before `from`.
    #[allow(clippy::too_many_arguments, reason = "one argument a query parameter")]
    #[oai(path = "/appointments", method = "get", operation_id = "appointment_list")]
    async fn appointment_list(
        &self,
        caller: Caller,
        /// Number of the page, from 1; 1 if left out.
        page: Query<Option<PageNumber>>,
        /// Maximum number of entries on a page, at most 100; 25 if left out.
        page_size: Query<Option<PageSize>>,
        /// Selects appointments that end after this time.
        from: Query<Option<Moment>>,
        /// Selects appointments that begin before this time.
        to: Query<Option<Moment>>,
        /// Selects appointments of this specialist.
        specialist_id: Query<Option<SpecialistId>>,
        /// Selects appointments of this patient.
        patient_id: Query<Option<PatientId>>,
        /// Selects appointments with this status.
        status: Query<Option<AppointmentStatus>>,
        /// Selects appointments booked with this appointment template.
        template_id: Query<Option<AppointmentTemplateId>>,
        /// Order of the list.
        sort: Query<Option<AppointmentSort>>,
    ) -> Result<Written<Page<Appointment>>, ApiError> {
        caller.may(Permission::AppointmentRead)?;
        let filter = AppointmentFilter {
            from: from.0.map(Moment::get),
            to: to.0.map(Moment::get),
            specialist_id: specialist_id.0,
            patient_id: patient_id.0,
            status: status.0,
            template_id: template_id.0,
        };
        let paging = Paging::new(page.0, page_size.0);
        Ok(Written(self.appointments.list(&caller, &filter, sort.0.unwrap_or_default(), paging).await?))
    }

    /// Create an appointment
    ///
    /// Books any free time, even outside the specialist's working hours. Answers 409 `slot_taken` if the specialist or
    /// the patient has an appointment at this time.
    #[oai(path = "/appointments", method = "post", operation_id = "appointment_create")]
    async fn appointment_create(
        &self,
        caller: Caller,
        body: Body<CreateAppointment>,
    ) -> Result<Created<Appointment>, ApiError> {
        caller.may(Permission::AppointmentWrite)?;
        Ok(Created(self.appointments.create(&caller, caller.organization()?, &body).await?))
    }

    /// Get an appointment
    ///
    /// Returns an appointment that the caller may see. Answers 404 `appointment_not_found` for any other.
    #[oai(path = "/appointments/:appointment_id", method = "get", operation_id = "appointment_get")]
    async fn appointment_get(
        &self,
        caller: Caller,
        /// Id of the appointment.
        appointment_id: Path<AppointmentId>,
    ) -> Result<Written<Appointment>, ApiError> {
        caller.may(Permission::AppointmentRead)?;
        Ok(Written(self.appointments.get(&caller, appointment_id.0).await?))
    }

    /// Find an appointment by its uid
    ///
    /// Returns the appointment with this `uid`, under the same rules as `appointment_get`.
    #[oai(path = "/appointments/uid/:uid", method = "get", operation_id = "appointment_find")]
    async fn appointment_find(
        &self,
        caller: Caller,
        /// `uid` of the appointment.
        uid: Path<Uuid>,
    ) -> Result<Written<Appointment>, ApiError> {
        caller.may(Permission::AppointmentRead)?;
        Ok(Written(self.appointments.find(&caller, uid.0).await?))
    }

    /// Replace an appointment
    ///
    /// Replaces time, specialist, patient, specialty and title; the buffers keep the values of the booking. Answers 409
    /// `stale_version` if somebody else changed the appointment in the meantime, `slot_taken` if the new time is not
    /// free, `invalid_transition` unless the appointment is `scheduled` or `confirmed`.
    #[oai(path = "/appointments/:appointment_id", method = "put", operation_id = "appointment_update")]
    async fn appointment_update(
        &self,
        caller: Caller,
        /// Id of the appointment.
        appointment_id: Path<AppointmentId>,
        body: Body<UpdateAppointment>,
    ) -> Result<Written<Appointment>, ApiError> {
        caller.may(Permission::AppointmentWrite)?;
        Ok(Written(self.appointments.update(&caller, caller.organization()?, appointment_id.0, &body).await?))
    }

    /// Delete an appointment
    ///
    /// Removes the appointment from every list and frees its time. Calendar feeds that contained it show it as
    /// `CANCELLED` for 90 days. Its audit entries are kept.
    #[oai(path = "/appointments/:appointment_id", method = "delete", operation_id = "appointment_delete")]
    async fn appointment_delete(
        &self,
        caller: Caller,
        /// Id of the appointment.
        appointment_id: Path<AppointmentId>,
    ) -> Result<NoContent, ApiError> {
        caller.may(Permission::AppointmentDelete)?;
        self.appointments.delete(&caller, appointment_id.0).await?;
        Ok(NoContent)
    }
}
