//! Operations of analytics.

use std::sync::Arc;

use poem_openapi::{OpenApi, param::Query, payload::Json};
use server_shared::{
    ApiError,
    http::{Accepted, Body},
    value::Moment,
};

use super::{
    AnalyticsService,
    model::{AnalyticsBatch, AnalyticsSummary},
};
use crate::{
    compliance::Client,
    identity::Person,
    ingest::{IngestReceipt, Period, Tag},
};

/// Operations under `/v1/analytics`.
pub(crate) struct AnalyticsApi {
    pub analytics: Arc<AnalyticsService>,
}

#[OpenApi(prefix_path = "/v1/analytics", tag = "Tag::Analytics")]
impl AnalyticsApi {
    /// Track events
    ///
    /// The token identifies the person and the organization. Nothing is stored if the person has not consented to
    /// analytics, or if the request asks not to be tracked (`Sec-GPC: 1`, `DNT: 1`); the answer counts the stored and
    /// the dropped events. Events that are counted as stored are durable.
    #[oai(path = "/track", method = "post", operation_id = "analytics_track")]
    async fn analytics_track(
        &self,
        person: Person,
        client: Client,
        body: Body<AnalyticsBatch>,
    ) -> Result<Accepted<IngestReceipt>, ApiError> {
        Ok(Accepted(self.analytics.track(&person.member()?, &client, body.0).await?))
    }

    /// Summarize events
    ///
    /// Permitted to administrators, for their own organization. An event that was sent twice counts once. Answers 400
    /// `invalid_range` if the period does not begin before it ends, or is longer than 366 days.
    #[oai(path = "/summary", method = "get", operation_id = "analytics_summary_get")]
    async fn analytics_summary_get(
        &self,
        person: Person,
        /// Start of the period; 30 days before its end if left out.
        from: Query<Option<Moment>>,
        /// End of the period, which is not part of it and at most 366 days after its start; the current time if
        /// left out.
        to: Query<Option<Moment>>,
    ) -> Result<Json<AnalyticsSummary>, ApiError> {
        person.must_administrate()?;
        Ok(Json(self.analytics.summary(&person.member()?, Period::new(from.0, to.0)?).await?))
    }
}
