//! Operation of pose frames.

use std::sync::Arc;

use poem_openapi::OpenApi;
use server_shared::{ApiError, http::Accepted};

use super::{PoseService, model::PoseBatch};
use crate::{
    http::CompressedBody,
    identity::Person,
    ingest::{IngestReceipt, Tag},
};

/// Operations under `/v1/pose`.
pub(crate) struct PoseApi {
    pub pose: Arc<PoseService>,
}

#[OpenApi(prefix_path = "/v1/pose", tag = "Tag::Pose")]
impl PoseApi {
    /// Track pose frames of a session
    ///
    /// Takes a body of up to 2 MiB, plain or with `Content-Encoding: gzip`. A compressed body may unpack to 4 MiB
    /// at most, and to 200 times its own size plus 256 KiB at most. Nothing is stored unless the person has
    /// consented to pose tracking. Session and offset identify a frame, so frames can be sent again; more than 60
    /// frames a second are dropped as `too_frequent`. Frames that are counted as stored are durable.
    #[oai(path = "/frames", method = "post", operation_id = "pose_frame_track")]
    async fn pose_frame_track(
        &self,
        person: Person,
        body: CompressedBody<PoseBatch>,
    ) -> Result<Accepted<IngestReceipt>, ApiError> {
        Ok(Accepted(self.pose.track(&person.member()?, body.0).await?))
    }
}
