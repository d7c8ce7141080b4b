//! The operation of pose frames.

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
    /// Takes up to 2 MiB, plain or with `Content-Encoding: gzip`: then up to 4 MiB unpacked, and at most
    /// 256 KiB and 200 times what was sent. Nothing is stored unless the person has agreed to pose
    /// tracking. A frame is named by its session and offset, so sending it again changes nothing; more
    /// than 60 frames a second are dropped as `too_frequent`. What is answered as stored is durable.
    #[oai(path = "/frames", method = "post", operation_id = "pose_frame_track")]
    async fn pose_frame_track(
        &self,
        person: Person,
        body: CompressedBody<PoseBatch>,
    ) -> Result<Accepted<IngestReceipt>, ApiError> {
        Ok(Accepted(self.pose.track(&person.member()?, body.0).await?))
    }
}
