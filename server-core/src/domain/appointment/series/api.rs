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
    /// Books appointments that repeat at the same local time in the specialist's zone, even outside the specialist's
    /// working hours. All times are checked before any is booked. Answers 409 `series_conflict` if a time is not free,
    /// if the specialist is away, or if the local time does not exist because the clocks go forward;
    /// `details.conflicts` lists each such time. With `on_conflict=skip` the other times are booked, and the answer
    /// lists the skipped ones; 409 `series_conflict` if none is left to book.
    #[oai(path = "/appointment-series", method = "post", operation_id = "appointment_series_create")]
    async fn appointment_series_create(
        &self,
        caller: Caller,
        /// Treatment of times that are not free; `fail` if left out.
        on_conflict: Query<Option<OnConflict>>,
        body: Body<CreateAppointmentSeries>,
    ) -> Result<Created<AppointmentSeriesResult>, ApiError> {
        caller.may(Permission::AppointmentSeriesWrite)?;
        let on_conflict = on_conflict.0.unwrap_or_default();
        Ok(Created(self.appointments.series_create(&caller, caller.organization()?, &body, on_conflict).await?))
    }

    /// Get a series
    ///
    /// Returns the series with its appointments. Specialists see only their own appointments in it.
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
    /// Changes the named appointment to the values in the body, and the other appointments in `scope` by the same
    /// differences. Ids and buffers do not change. Answers 409 `series_conflict` like `appointment_series_create`; with
    /// `on_conflict=skip`, appointments with a conflict do not change. Answers 409 `stale_version` if somebody else
    /// changed the series or one of its appointments in the meantime, `invalid_transition` unless the named appointment
    /// is `scheduled` or `confirmed`.
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
        /// Appointments to change.
        scope: Query<SeriesScope>,
        /// Treatment of times that are not free; `fail` if left out.
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
    /// Cancels the appointments in `scope` that have not begun and frees their times. Answers 409 `already_cancelled`
    /// if there is none, `invalid_transition` if the named appointment has ended, `stale_version` if an appointment was
    /// moved to another specialist in the meantime.
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
        /// Appointments to cancel.
        scope: Query<SeriesScope>,
        body: Body<CancelAppointmentSeries>,
    ) -> Result<Json<AppointmentSeries>, ApiError> {
        caller.may(Permission::AppointmentSeriesWrite)?;
        Ok(Json(self.appointments.series_cancel(&caller, appointment_series_id.0, scope.0, &body).await?))
    }
}
