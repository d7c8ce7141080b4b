use chrono::{DateTime, Utc};
use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use server_shared::ApiError;

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
    /// What is left of its hours after exceptions, bookings and buffers, minimum notice, horizon and daily
    /// cap; none when it can't be booked. Hours are local to the specialist's zone, whatever its clocks do:
    /// a local time that is left out has no slot, one that comes twice has one. 404
    /// `appointment_template_not_found` also for an archived template.
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
        /// Only slots that begin at this moment or later; now when left out.
        from: Query<Option<DateTime<Utc>>>,
        /// Only slots that begin before this moment, at most 92 days after `from`; 7 days after it when left out.
        to: Query<Option<DateTime<Utc>>>,
        /// What is to be booked: its duration, buffers and notice hold. The specialist's own when left out.
        template_id: Query<Option<AppointmentTemplateId>>,
    ) -> Result<Json<Availability>, ApiError> {
        caller.may(Permission::SpecialistRead)?;
        caller.organization()?;
        Ok(Json(self.availability.get(&caller, specialist_id.0, template_id.0, from.0, to.0).await?))
    }
}
