use poem_openapi::{OpenApi, param::Path, payload::Json};
use server_shared::{ApiError, http::Body};

use super::{
    Service,
    model::{SpecialistSchedule, UpdateSpecialistSchedule},
};
use crate::{
    domain::Tag,
    identity::{Caller, Permission},
    ids::SpecialistId,
};

/// `/v1/specialists/{specialist_id}/schedule`
pub(crate) struct Api {
    pub(crate) schedules: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Availability")]
impl Api {
    /// Get a specialist's schedule
    ///
    /// Returns the weekly hours, exceptions and booking rules. `specialist_availability_get` returns the open slots
    /// that follow from them.
    #[oai(path = "/specialists/:specialist_id/schedule", method = "get", operation_id = "specialist_schedule_get")]
    async fn specialist_schedule_get(
        &self,
        caller: Caller,
        /// Id of the specialist.
        specialist_id: Path<SpecialistId>,
    ) -> Result<Json<SpecialistSchedule>, ApiError> {
        caller.may(Permission::SpecialistRead)?;
        Ok(Json(self.schedules.get(&caller, specialist_id.0).await?))
    }

    /// Replace a specialist's schedule
    ///
    /// Replaces the whole schedule. Specialists may replace their own. Existing bookings stay. Answers 409
    /// `stale_version` if somebody else replaced it in the meantime.
    #[oai(path = "/specialists/:specialist_id/schedule", method = "put", operation_id = "specialist_schedule_update")]
    async fn specialist_schedule_update(
        &self,
        caller: Caller,
        /// Id of the specialist.
        specialist_id: Path<SpecialistId>,
        body: Body<UpdateSpecialistSchedule>,
    ) -> Result<Json<SpecialistSchedule>, ApiError> {
        caller.may(Permission::SpecialistUpdate)?;
        Ok(Json(self.schedules.update(&caller, caller.organization()?, specialist_id.0, &body).await?))
    }
}
