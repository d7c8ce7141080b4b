//! Operation of media events.

use std::sync::Arc;

use poem_openapi::OpenApi;
use server_shared::{
    ApiError,
    http::{Accepted, Body},
};

use super::{MediaService, model::MediaBatch};
use crate::{
    compliance::Client,
    identity::Person,
    ingest::{IngestReceipt, Tag},
};

/// Operations under `/v1/media`.
pub(crate) struct MediaApi {
    pub media: Arc<MediaService>,
}

#[OpenApi(prefix_path = "/v1/media", tag = "Tag::Media")]
impl MediaApi {
    /// Track events of a session
    ///
    /// Telemetry combines the events into one row for each session and participant, whatever their order and even if
    /// they are repeated; it also stores each bandwidth sample. Nothing is stored unless the person has consented to
    /// media tracking. Events that are counted as stored are durable.
    #[oai(path = "/events", method = "post", operation_id = "media_event_track")]
    async fn media_event_track(
        &self,
        person: Person,
        client: Client,
        body: Body<MediaBatch>,
    ) -> Result<Accepted<IngestReceipt>, ApiError> {
        Ok(Accepted(self.media.track(&person.member()?, &client, body.0).await?))
    }
}
