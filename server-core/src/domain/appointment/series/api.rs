use poem_openapi::{
    OpenApi,
    param::{Path, Query},
    payload::Json,
};
use server_shared::{
    ApiError,
    http::{Body, Created},
};

use super::{
    super::service::Service,
    model::{
        AppointmentSeries, AppointmentSeriesResult, CancelAppointmentSeries, CreateAppointmentSeries, OnConflict,
        SeriesScope, UpdateAppointmentSeries,
    },
};
use crate::{
    domain::Tag,
    identity::{Caller, Permission},
    ids::AppointmentSeriesId,
};

/// `/v1/appointment-series`
pub(crate) struct SeriesApi {
    pub(crate) appointments: Service,
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::AppointmentSeries")]
impl SeriesApi {
    /// Book a series
    ///
    /// All its times are checked before any is booked: they are at the same time of the day by the clock of the
    /// specialist's zone. 409 `series_conflict` names each one that is not free, that the specialist is away at,
    /// or that clocks leave out; with `on_conflict=skip` the others are booked and the answer names those that
    /// were not, unless there is none left to book. Working hours do not matter here.
    #[oai(path = "/appointment-series", method = "post", operation_id = "appointment_series_create")]
    async fn appointment_series_create(
        &self,
        caller: Caller,
        /// What becomes of it when some of the times are not free; `fail` when left out.
        on_conflict: Query<Option<OnConflict>>,
        body: Body<CreateAppointmentSeries>,
    ) -> Result<Created<AppointmentSeriesResult>, ApiError> {
        caller.may(Permission::AppointmentSeriesWrite)?;
        let on_conflict = on_conflict.0.unwrap_or_default();
        Ok(Created(self.appointments.series_create(&caller, caller.organization()?, &body, on_conflict).await?))
    }

    /// Get a series
    ///
    /// With its appointments. Specialists get their own.
    #[oai(path = "/appointment-series/:appointment_series_id", method = "get", operation_id = "appointment_series_get")]
    async fn appointment_series_get(
        &self,
        caller: Caller,
        /// Id of the series.
        appointment_series_id: Path<AppointmentSeriesId>,
    ) -> Result<Json<AppointmentSeries>, ApiError> {
        caller.may(Permission::AppointmentSeriesRead)?;
        Ok(Json(self.appointments.series_get(&caller, appointment_series_id.0).await?))
    }

    /// Change a series
    ///
    /// The body says what becomes of one of its appointments; the others that the scope takes in change as it
    /// does. They keep their ids and the buffers they were booked with. 409 `series_conflict` as when a series
    /// is booked; what is skipped stays where it is. 409 `stale_version` when the series or one of its
    /// appointments changed meanwhile, `invalid_transition` when the named one has begun or is over.
    #[oai(
        path = "/appointment-series/:appointment_series_id",
        method = "put",
        operation_id = "appointment_series_update"
    )]
    async fn appointment_series_update(
        &self,
        caller: Caller,
        /// Id of the series.
        appointment_series_id: Path<AppointmentSeriesId>,
        /// Which of its appointments change.
        scope: Query<SeriesScope>,
        /// What becomes of it when some of the times are not free; `fail` when left out.
        on_conflict: Query<Option<OnConflict>>,
        body: Body<UpdateAppointmentSeries>,
    ) -> Result<Json<AppointmentSeriesResult>, ApiError> {
        caller.may(Permission::AppointmentSeriesWrite)?;
        let (id, on_conflict) = (appointment_series_id.0, on_conflict.0.unwrap_or_default());
        Ok(Json(
            self.appointments.series_update(&caller, caller.organization()?, id, scope.0, on_conflict, &body).await?,
        ))
    }

    /// Cancel a series
    ///
    /// Those that the scope takes in and that are still to come; their times are free at once. 409
    /// `already_cancelled` when there is none, `invalid_transition` when the one that is named is over,
    /// `stale_version` when one was given to another specialist in this very moment.
    #[oai(
        path = "/appointment-series/:appointment_series_id/cancel",
        method = "post",
        operation_id = "appointment_series_cancel"
    )]
    async fn appointment_series_cancel(
        &self,
        caller: Caller,
        /// Id of the series.
        appointment_series_id: Path<AppointmentSeriesId>,
        /// Which of its appointments are called off.
        scope: Query<SeriesScope>,
        body: Body<CancelAppointmentSeries>,
    ) -> Result<Json<AppointmentSeries>, ApiError> {
        caller.may(Permission::AppointmentSeriesWrite)?;
        Ok(Json(self.appointments.series_cancel(&caller, appointment_series_id.0, scope.0, &body).await?))
    }
}
