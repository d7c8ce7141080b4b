use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use server_shared::ApiError;
use server_shared::value::Moment;

use super::{Service, model::Availability};
use crate::{
    domain::Tag,
    identity::{Caller, Permission},
    ids::{AppointmentTemplateId, SpecialistId},
};

/// `/v1/specialists/{specialist_id}/availability`
pub(crate) struct Api {
    pub(crate) availability: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Availability")]
impl Api {
    /// Get a specialist's open slots
    ///
    /// Returns the slots within the specialist's working hours that remain after exceptions, bookings, buffers, minimum
    /// notice, horizon and daily cap; none if the specialist is not bookable. Working hours are local to the
    /// specialist's time zone: no slot begins at a local time that is skipped when the clocks go forward, and a local
    /// time that occurs twice is offered once. Answers 400 `invalid_range` if `to` is not after `from` or more than 92
    /// days after it. Answers 404 `appointment_template_not_found` also for an archived template.
    #[oai(
        path = "/specialists/:specialist_id/availability",
        method = "get",
        operation_id = "specialist_availability_get"
    )]
    async fn specialist_availability_get(
        &self,
        caller: Caller,
        /// Id of the specialist.
        specialist_id: Path<SpecialistId>,
        /// Selects slots that begin at this time or later; now if left out.
        from: Query<Option<Moment>>,
        /// Selects slots that begin before this time, which is at most 92 days after `from`; 7 days after `from` if
        /// left out.
        to: Query<Option<Moment>>,
        /// Appointment template to book, which determines duration, buffers and minimum notice; if left out, the
        /// specialist's schedule determines them.
        template_id: Query<Option<AppointmentTemplateId>>,
    ) -> Result<Json<Availability>, ApiError> {
        caller.may(Permission::SpecialistRead)?;
        caller.organization()?;
        Ok(Json(
            self.availability
                .get(&caller, specialist_id.0, template_id.0, from.0.map(Moment::get), to.0.map(Moment::get))
                .await?,
        ))
    }
}
