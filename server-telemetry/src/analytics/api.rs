//! The operations of analytics.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use poem_openapi::{OpenApi, param::Query, payload::Json};
use server_shared::{
    ApiError,
    http::{Accepted, Body},
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
    /// Who and where comes from the token. Nothing is stored unless the person has agreed to
    /// analytics, or when the request asks not to be tracked (`Sec-GPC: 1`, `DNT: 1`); the answer
    /// says how many events were stored and how many dropped. What is answered as stored is durable.
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
    /// For administrators, of their own organization. An event that was sent twice counts once.
    #[oai(path = "/summary", method = "get", operation_id = "analytics_summary_get")]
    async fn analytics_summary_get(
        &self,
        person: Person,
        /// Start of the stretch; 30 days before its end when left out.
        from: Query<Option<DateTime<Utc>>>,
        /// End of the stretch, at most 366 days after its start; now when left out.
        to: Query<Option<DateTime<Utc>>>,
    ) -> Result<Json<AnalyticsSummary>, ApiError> {
        person.must_administrate()?;
        Ok(Json(self.analytics.summary(&person.member()?, Period::new(from.0, to.0)?).await?))
    }
}
